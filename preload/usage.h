/*
 * What locks and handlers have to do with each other: the records of SEG_USES. Which locks are asked for in
 * handlers; which outside, with a signal unblocked that has a handler; and which were held by the code that
 * a handler came into. What that means is the collector's to say.
 *
 * Only inside a bracket; async-signal-safe, lock-free. Where there is no room nothing is recorded.
 */
#ifndef LOCKJAM_USAGE_H
#define LOCKJAM_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/lock.h"
#include "preload/signal.h"

/* A lock was granted. Asks the kernel for the mask, once per record: call it while signal_handled(). */
void usage_taken(const struct seg_lock *lock, bool is_blocking, uint64_t now_ns);

/*
 * A request in a handler is about to wait: its record's index, 0 if there was no room. Asks the kernel who has
 * the lock (F_GETLK changes nothing; of flock nobody can be asked).
 */
uint32_t usage_wait_begins(const struct seg_lock *lock, struct lock_call *call, uint64_t now_ns);
/* It has been answered, in whatever way. Notes how long it slept, if it did and somebody had the lock. */
void usage_wait_ends(const struct seg_lock *lock, const struct lock_call *call);

/* A handler begins: notes in its frame which locks the thread holds, and counts it for each of them. */
void usage_interrupted(struct shim_frame *frame, uint64_t now_ns);
/* For locks that are not in the set of locks: one that the interrupted thread holds. */
void usage_interrupted_holding(struct shim_frame *frame, const struct seg_lock *hold,
			       uint64_t now_ns);

/* In a handler: locks of this kind, resource, range and description were given up. */
void usage_dropped(const struct lockset_change *change);

#endif
