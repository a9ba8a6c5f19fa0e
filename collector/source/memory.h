/*
 * What the files of the source "memory" share: source_memory.c (locks of threads) and
 * memory_waits.c (what else a thread waits for in its process's memory).
 */
#ifndef LOCKJAM_MEMORY_H
#define LOCKJAM_MEMORY_H

#include "collector/source/source.h"

/* One thread's list, and the thread in the model. */
struct memory_thread {
	struct gather *g;
	uint32_t process, thread;
	bool is_live;
	const struct seg_holds *list;
};

/* A list of a process's segment, bounded; false: there is none, or it is damaged. */
bool memory_read_list(const struct gather *g, uint32_t process, uint32_t index,
		      struct seg_holds *list);

/* A stack of the record, or (raw 0) the one return address that is known of it. */
uint32_t memory_stack(struct model *m, uint32_t process, uint32_t raw, uint64_t site);

/* Does the kernel say that the thread sleeps in a futex of these bytes? */
bool memory_sleeps_in(const struct gather *g, uint32_t thread, uint64_t address, uint64_t bytes);

/* Whether the process has lists that tell of now, or of its end. */
bool memory_is_of_interest(const struct gather *g, uint32_t process);

/*
 * Does the thread wait for a condition variable, a semaphore, a barrier, or a thread's end? Of the
 * living it is over when the kernel does not say so, and another one when pthread_cond_wait() takes
 * the mutex again.
 */
bool memory_wait_is_other(const struct memory_thread *t);

#endif
