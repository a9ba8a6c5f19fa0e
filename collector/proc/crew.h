/*
 * The same work on many items by several threads: reading /proc and segments is mostly waiting for
 * the kernel's own work, and there may be thousands of them.
 */
#ifndef LOCKJAM_CREW_H
#define LOCKJAM_CREW_H

#include <stdint.h>

/* One item. Runs in any thread: it may write to its own item only, and must not touch the model. */
typedef void crew_fn(void *data, uint32_t item);

/*
 * work(data, 0) .. work(data, count - 1), in any order; returns when all are done. Few items, or
 * threads that cannot be had, are done by the caller alone.
 */
void crew_run(crew_fn *work, void *data, uint32_t count);

#endif
