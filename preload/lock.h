/*
 * A lock request as the wrappers see it: lock_begin(), the real call, lock_end(). Both keep errno
 * and are async-signal-safe. Where lock_begin() returns false nothing is recorded and lock_end()
 * must not be called.
 *
 * Acquired is recorded after the real call; a wait before it, and withdrawn when the call fails;
 * a release before the real unlock, and put back when that fails: so that no reader ever sees two
 * owners.
 */
#ifndef LOCKJAM_LOCK_H
#define LOCKJAM_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/lockset.h"

struct lock_call {
	/* Filled by the wrapper. */
	uint8_t kind; /* enum seg_lock_kind */
	uint8_t mode; /* enum seg_lock_mode, 0 to unlock */
	bool blocking;
	int fd;
	struct range range;

	/* lock.c's own, set by lock_begin(). */
	uint32_t resource;
	uint32_t slot;       /* of the wait */
	uint64_t epoch;      /* of the segment that slot and undo belong to */
	uint32_t outer_wait; /* what the thread waits for where a handler interrupted it */
	uint64_t ofd;
	uint64_t switches; /* usage.c: of a request in a handler that somebody else has the lock of; else 0 */
	struct lockset_undo undo;
};

/* Before the real call. A request that does not block is recorded after it: this does nothing. */
bool lock_begin(struct lock_call *call);

/* After it: `error` is 0, or the errno that the program will see. */
void lock_end(struct lock_call *call, int error);

/* lock_end() for a thread that is cancelled in the real call. */
void lock_cancelled(struct lock_call *call);

/* fd is about to be closed, or replaced by dup2: locks go that the kernel drops with it. */
void lock_close(int fd);

/* Is there anything that lock_close() would have to look at? One test for the usual case. */
bool lock_close_matters(int fd);

#endif
