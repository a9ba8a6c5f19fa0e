/*
 * lockjam attach --inject and --detach: the shim in processes that run already.
 */
#ifndef LOCKJAM_CLI_LATCH_H
#define LOCKJAM_CLI_LATCH_H

#include "cli/options.h"

/* Each of the operands, which are pids. They say what was done, and return the exit status. */
int latch_attach(const struct options *o);
int latch_detach(const struct options *o);

#endif
