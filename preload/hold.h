/*
 * What the calling thread holds of locks of threads, in its list of the segment (struct seg_holds).
 *
 * A wrapper asks, calls libc, and settles; a release is recorded before libc's unlock, and put back if
 * that fails. A lock that is free when it is asked for costs plain stores into the thread's own page:
 * no clock, no stack, no atomic operation, no bracket. Whether it is free is read from libc's object,
 * which only decides what is written down: the program's call is made in any case, as it stands.
 * One that is not free is recorded whole (stack, time) before the call.
 *
 * Async-signal-safe. A handler that takes a lock between two lines of ours uses the next place of
 * the list; one that keeps it may lose us that record, no more. Keeps errno.
 */
#ifndef LOCKJAM_HOLD_H
#define LOCKJAM_HOLD_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/shim.h"
#include "preload/track.h"

struct hold_call {
	/* Filled by the wrapper. */
	uint64_t address, site;
	uint8_t kind, mode;
	bool is_busy;  /* it will probably wait */
	bool is_timed; /* but not for ever */

	/* hold.c's own. */
	struct seg_hold *hold;
	struct seg_thread_wait outer; /* of what a handler interrupted */
	uint64_t epoch;
};

#define HOLD_SITE ((uint64_t)(uintptr_t)__builtin_return_address(0))

/* The list, where it may be written to without more ado; else NULL. */
static inline struct seg_holds *hold_quick(void)
{
	struct seg_holds *list = shim_self.quick;

	return shim_likely(list && *segment_word) ? list : NULL;
}

/* Where locks are only counted: counts one. False: not here, or the thread has no list yet. */
static inline bool hold_count(bool is_busy)
{
	struct seg_holds *list = shim_self.counts;

	if (!list || !*segment_word)
		return false;
	list->acquired++;
	list->busy += is_busy;
	return true;
}

/* The thread's list belongs to a segment that is not ours, or not any more. */
static inline void hold_forget(void)
{
	shim_self.holds = shim_self.quick = shim_self.counts = NULL;
}

static inline bool hold_has_room(const struct seg_holds *list)
{
	return shim_likely(list->top < SEG_HOLDS_MAX);
}

/* --- acquiring ---------------------------------------------------------------------------------- */

static inline struct seg_hold *hold_ask(struct seg_holds *list, uint64_t address, uint64_t site,
					uint8_t kind, uint8_t mode)
{
	uint32_t top = list->top;
	struct seg_hold *hold = &list->holds[top];

	hold->site = site;
	hold->state = SEG_HOLD_ASKED;
	hold->kind = kind;
	hold->mode = mode;
	hold->flags = 0;
	hold->stack = 0;
	__atomic_store_n(&hold->address, address, __ATOMIC_RELEASE);
	list->top = top + 1;
	return hold;
}

/* The call has failed: nothing is held. Out of order only where a handler kept a lock. */
static inline void hold_withdraw(struct seg_holds *list, struct seg_hold *hold)
{
	__atomic_store_n(&hold->address, 0, __ATOMIC_RELAXED);
	if (shim_likely(list->holds + list->top == hold + 1))
		list->top = (uint32_t)(hold - list->holds);
}

/* Acquired means 0 or EOWNERDEAD. */
static inline void hold_settle(struct seg_holds *list, struct seg_hold *hold, int result)
{
	if (shim_unlikely(result)) {
		if (result != EOWNERDEAD) {
			hold_withdraw(list, hold);
			return;
		}
		hold->flags |= SEG_HOLD_OWNER_DIED;
	}
	__atomic_store_n(&hold->state, SEG_HOLD_HELD, __ATOMIC_RELEASE);
	list->acquired++;
}

/* The same with everything that is to be known, and where there is no list yet. */
void hold_begin(struct hold_call *call);
void hold_end(struct hold_call *call, int result);

/* A request that does not wait, after it was granted. */
void hold_took(const struct hold_call *call, int result);

/* --- waits for other things than locks ---------------------------------------------------------- */

struct hold_wait {
	/* Filled by the wrapper. */
	uint8_t kind; /* enum seg_thread_wait_kind */
	bool is_timed;
	uint64_t address, second, site;

	/* hold.c's own. */
	struct seg_thread_wait outer;
	struct seg_hold *lent;
	uint64_t epoch; /* 0: nothing was recorded */
};

/* Before and after the blocking call; what pthread_cond_wait() does to `second` is recorded, too. */
void hold_wait_begin(struct hold_wait *wait);
/* `is_kept`: the mutex is the thread's again. */
void hold_wait_end(struct hold_wait *wait, bool is_kept);
/* hold_wait_end() for a thread that is cancelled in the call: libc takes the mutex again before. */
void hold_wait_cancelled(void *wait);

/* --- semaphores --------------------------------------------------------------------------------- */

/* The thread has waited for it with success. */
void hold_took_semaphore(uint64_t address, uint64_t site);
/* It posts it. False: it had not taken it. */
bool hold_posts_semaphore(uint64_t address);

/* --- releasing ---------------------------------------------------------------------------------- */

/* Not the last one that was taken, or another thread's. What is no longer held, or NULL. */
struct seg_hold *hold_release_other(uint64_t address);

/* Before the real unlock: what is no longer held, or NULL: nobody is known to hold it. */
static inline struct seg_hold *hold_release(uint64_t address)
{
	struct seg_holds *list = hold_quick();
	struct seg_hold *hold;
	uint32_t last;

	if (shim_unlikely(!list))
		return shim_self.counts ? NULL : hold_release_other(address);
	last = list->top - 1;
	if (shim_unlikely(last >= SEG_HOLDS_MAX)) /* none, too */
		return hold_release_other(address);
	hold = &list->holds[last];
	if (shim_unlikely(hold->address != address || hold->state != SEG_HOLD_HELD))
		return hold_release_other(address);
	__atomic_store_n(&hold->address, 0, __ATOMIC_RELEASE);
	list->top = last; /* not one less than now: a handler may have lowered it meanwhile */
	return hold;
}

/* The unlock has failed. */
void hold_put_back(struct seg_hold *hold, uint64_t address);

#endif
