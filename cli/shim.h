/*
 * How a program comes to run under the shim: where liblockjam.so is, and the environment that
 * makes ld.so load it.
 */
#ifndef LOCKJAM_CLI_SHIM_H
#define LOCKJAM_CLI_SHIM_H

#include <stddef.h>

#include "collector/collector.h"

/* For tests and for a shim in an unusual place. Read by the command, never by the shim. */
#define SHIM_ENV_PATH "LOCKJAM_SHIM"

/*
 * The absolute path of liblockjam.so: $LOCKJAM_SHIM, else beside this executable in a build tree,
 * else where it is installed. 0 or negative errno with *error filled.
 */
int shim_find(char *path, size_t size, struct collect_error *error);

/*
 * LD_PRELOAD with the shim in front of what `old` (may be NULL) has. ld.so separates by blanks and
 * colons. malloc'ed, NULL if memory is out.
 */
char *shim_preload(const char *path, const char *old);

#endif
