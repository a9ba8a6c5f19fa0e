/*
 * Protection on request (LOCKJAM_PROTECT=1): what a handler asks of the allocator while it has
 * interrupted the allocator is done by the emergency arena. So the program neither waits for its
 * own heap's lock nor damages the heap. The bug is recorded all the same. Async-signal-safe.
 */
#ifndef LOCKJAM_PROTECT_H
#define LOCKJAM_PROTECT_H

#include "preload/signal.h"
#include "preload/thunk.h"

/* Reads the environment; called by the constructor. */
void protect_init(void);

/*
 * The function that does the work of `id` (of way ALLOC) in the handler of `frame`, or NULL: the
 * allocator was not interrupted, or protection is off.
 */
void *protect_inside(enum thunk_id id, struct shim_frame *frame);

#endif
