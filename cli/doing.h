/* What a thread is doing, in a few words. */
#ifndef LOCKJAM_DOING_H
#define LOCKJAM_DOING_H

#include "cli/view.h"

/*
 * "running", "waits for a WRITE lock on /mail/index, held by pid 3301", "in read of descriptor 5
 * (socket:[71])". As raw as the names in it; malloc'ed. NULL: not known, or memory is out.
 */
char *doing_text(const struct view *v, uint32_t thread);

/* The request for a lock that the thread sleeps in; MODEL_NONE: none, or not in the graph. */
uint32_t doing_wait(const struct model *m, uint32_t thread);

#endif
