/*
 * Who may change the set of locks: the try-lock, and the queue for those who do not get it. See
 * lockset.h.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "preload/lockset_list.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define QUEUE_SLOTS 32
#define SPINS 200       /* while the owner runs */
#define NAP_NS 50000    /* while it waits for a processor */
#define PATIENCE 4000   /* naps of all threads together for one change of one owner */

/*
 * A bounded queue of many writers and one reader, who has the try-lock (after D. Vyukov): a slot
 * is free for ticket t when its turn is t, and filled when it is t + 1.
 */
struct queue_slot {
	_Atomic uint64_t turn;
	struct lockset_change change;
};

static struct {
	_Atomic uint64_t owner;   /* changes made << 32 | tid; tid 0: free */
	_Atomic uint64_t awaited; /* the value of owner that is waited for */
	_Atomic uint32_t naps;    /* for it, so far */
	_Atomic uint64_t posted, taken;
	struct queue_slot queue[QUEUE_SLOTS];
} set;

/* --- the try-lock ------------------------------------------------------------------------------ */

/*
 * The frame is noted first, so that a handler that interrupts us right after the exchange finds it.
 * One that interrupts us before it changes the count, and our exchange fails.
 */
static bool take(uint64_t free)
{
	uint64_t mine = ((free >> 32) + 1) << 32 | (uint32_t)shim_self.tid;

	shim_self.lockset_frame = shim_self.frame;
	atomic_signal_fence(memory_order_seq_cst);
	return atomic_compare_exchange_strong(&set.owner, &free, mine);
}

/* Whoever had it left in the middle of a change: the lists may be in any state. */
static bool take_over(void)
{
	shim_self.lockset_frame = shim_self.frame;
	lockset_rebuild();
	return true;
}

/* Its thread ended there, by pthread_cancel or by a jump out of its start function. */
static bool is_dead(uint64_t owner)
{
	return sys3(SYS_tgkill, sys_getpid(), (int32_t)owner, 0) == -ESRCH;
}

/*
 * A nap for another thread that has lost the processor in the middle of a change. False when its
 * share of them is used up: it is stuck there (a handler that never returns), or dead.
 */
static bool nap(uint64_t owner)
{
	if (atomic_exchange(&set.awaited, owner) != owner)
		atomic_store(&set.naps, 0);
	if (atomic_load(&set.naps) >= PATIENCE)
		return false;
	atomic_fetch_add(&set.naps, 1);
	sys_nap(NAP_NS);
	return true;
}

/*
 * If the owner is our own thread, it is the code that this handler interrupted; but if no handler
 * has begun since, that code was left by siglongjmp.
 */
static bool try_lock(void)
{
	uint64_t owner;

	for (int i = 0;; i++) {
		owner = atomic_load(&set.owner);
		if (!(uint32_t)owner) {
			if (take(owner))
				return true;
		} else if ((int32_t)owner == shim_self.tid) {
			return shim_self.lockset_frame == shim_self.frame && take_over();
		} else if (i < SPINS) {
			arch_pause();
		} else if (!nap(owner)) {
			return is_dead(owner) && take(owner) && take_over();
		}
	}
}

static void unlock(void)
{
	atomic_store(&set.owner, atomic_load(&set.owner) >> 32 << 32);
}

/* --- the queue --------------------------------------------------------------------------------- */

static void count_lost(void)
{
	struct seg_header *header = segment_get();

	atomic_fetch_add((_Atomic uint32_t *)&header->lost_busy, 1);
	segment_limit(SEG_LIMIT_BUSY);
}

static void post(const struct lockset_change *change)
{
	uint64_t ticket = atomic_load(&set.posted);
	struct queue_slot *slot;

	do {
		slot = &set.queue[ticket % QUEUE_SLOTS];
		if (atomic_load(&slot->turn) < ticket) {
			count_lost();
			return;
		}
	} while (!atomic_compare_exchange_weak(&set.posted, &ticket, ticket + 1));
	slot->change = *change;
	slot->change.undo = NULL;
	atomic_store(&slot->turn, ticket + 1);
}

static bool has_posted(void)
{
	uint64_t taken = atomic_load(&set.taken);

	return atomic_load(&set.queue[taken % QUEUE_SLOTS].turn) == taken + 1;
}

/* In order. One that is just being written is left to its writer, who will try the lock. */
static void drain(void)
{
	while (has_posted()) {
		uint64_t taken = atomic_load(&set.taken);
		struct queue_slot *slot = &set.queue[taken % QUEUE_SLOTS];
		struct lockset_change change = slot->change;

		atomic_store(&set.taken, taken + 1);
		atomic_store(&slot->turn, taken + QUEUE_SLOTS);
		lockset_apply(&change);
	}
}

static void let_go(void)
{
	do {
		drain();
		unlock();
	} while (shim_unlikely(has_posted()) && try_lock());
}

/* --- what the others call ----------------------------------------------------------------------- */

void lockset_submit(const struct lockset_change *change)
{
	if (shim_likely(try_lock())) {
		drain();
		lockset_apply(change);
		let_go();
		return;
	}
	post(change);
	if (try_lock())
		let_go();
}

uint64_t lockset_moment(void)
{
	uint64_t owner = atomic_load(&set.owner);

	if ((uint32_t)owner || atomic_load(&set.posted) != atomic_load(&set.taken) ||
	    segment_get()->limits & SEG_LIMIT_BUSY)
		return 0;
	return (owner >> 32) + 1;
}

void lockset_abandon(const struct shim_frame *frame)
{
	if ((int32_t)atomic_load(&set.owner) == shim_self.tid &&
	    shim_self.lockset_frame == frame && take_over())
		let_go();
}

void lockset_restore(const struct lockset_undo *undo)
{
	for (uint32_t i = 0; i < undo->count; i++) {
		struct lockset_change change = { .verb = LOCKSET_GRANT };
		struct seg_lock *record;
		uint32_t seq;

		change.slot = lockset_new(&record);
		if (!change.slot)
			return;
		seq = record->seq;
		*record = undo->removed[i];
		record->seq = seq;
		record->state = SEG_LOCK_HELD;
		segment_publish(&record->seq);
		lockset_submit(&change);
	}
}

void lockset_reset(void)
{
	lockset_list_reset();
	atomic_store(&set.owner, 0);
	atomic_store(&set.awaited, 0);
	atomic_store(&set.posted, 0);
	atomic_store(&set.taken, 0);
	for (int i = 0; i < QUEUE_SLOTS; i++)
		atomic_store(&set.queue[i].turn, i);
}
