/*
 * The records of the set of locks and their lists; for lockset*.c only. See lockset.h.
 *
 * Records that are in the set (held, polling, tombstones) hang on a list of their resource. The
 * lists live outside the segment: a reader needs none, and nobody else can spoil them. A record that
 * waits is not in the set; it enters it when it is granted.
 *
 * The lists change under the try-lock only (lockset_queue.c); the free records need none.
 */
#ifndef LOCKJAM_LOCKSET_LIST_H
#define LOCKJAM_LOCKSET_LIST_H

#include "preload/lockset.h"
#include "preload/segment_file.h"

struct seg_lock *lockset_record(uint32_t slot);
uint32_t lockset_first(uint32_t resource);
uint32_t lockset_next(uint32_t slot);

/* What the thread holds, the newest first; 0 ends. Bound the walk. */
uint32_t lockset_newest(uint32_t thread);
uint32_t lockset_older(uint32_t slot);

void lockset_insert(uint32_t slot);
/* Takes the record off its list and frees it. */
void lockset_remove(uint32_t slot);
/* A hold in the set becomes something else: counters and the list of its thread. Before it changes. */
void lockset_leave(uint32_t slot);
void lockset_list_reset(void);
/* Builds the lists again from the records, after a change that was left in the middle. */
void lockset_rebuild(void);

/* lockset.c: one change, under the try-lock. */
void lockset_apply(const struct lockset_change *change);

/* Every walk is bounded: a siglongjmp out of a change may have left a list in any state. */
#define for_each_of(slot, after, resource, guard)                                               \
	for (uint32_t guard = 0, slot = lockset_first(resource), after = slot ? lockset_next(slot) : 0;  \
	     slot && guard < SEGMENT_LOCKS;                                                     \
	     guard++, slot = after, after = slot ? lockset_next(slot) : 0)

#endif
