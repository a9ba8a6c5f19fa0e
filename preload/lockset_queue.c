/*
 * Who may change the set of locks: the try-lock, and the queue for those who do not get it. See
 * lockset.h.
 */
#include <stdatomic.h>

#include "preload/lockset_list.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define QUEUE_SLOTS 32
#define SPIN_LIMIT 500

enum queue_state { QUEUE_FREE, QUEUE_FILLING, QUEUE_READY };

static struct {
	_Atomic int32_t owner;          /* tid, 0 free */
	_Atomic uint64_t posted, taken; /* tickets of the queue */
	struct {
		_Atomic uint32_t state;
		struct lockset_change change;
	} queue[QUEUE_SLOTS];
} set;

static void count_lost(void)
{
	struct seg_header *header = segment_get();

	atomic_fetch_add((_Atomic uint32_t *)&header->lost_busy, 1);
	segment_limit(SEG_LIMIT_BUSY);
}

/*
 * Ours already while no handler is active: siglongjmp left a handler that had interrupted us in
 * the middle of a change. Nobody else will ever let go.
 */
static bool try_lock(void)
{
	for (int i = 0; i < SPIN_LIMIT; i++) {
		int32_t owner = 0;

		if (atomic_compare_exchange_strong(&set.owner, &owner, shim_self.tid))
			return true;
		if (owner == shim_self.tid)
			return shim_self.frame == NULL;
		arch_pause();
	}
	return false;
}

static void post(const struct lockset_change *change)
{
	uint64_t ticket = atomic_fetch_add(&set.posted, 1);
	uint32_t free = QUEUE_FREE;

	if (!atomic_compare_exchange_strong(&set.queue[ticket % QUEUE_SLOTS].state, &free,
					    QUEUE_FILLING)) {
		count_lost();
		return;
	}
	set.queue[ticket % QUEUE_SLOTS].change = *change;
	set.queue[ticket % QUEUE_SLOTS].change.undo = NULL;
	atomic_store(&set.queue[ticket % QUEUE_SLOTS].state, QUEUE_READY);
}

static bool has_posted(void)
{
	uint64_t taken = atomic_load(&set.taken);

	return atomic_load(&set.posted) > taken &&
	       atomic_load(&set.queue[taken % QUEUE_SLOTS].state) != QUEUE_FILLING;
}

/* In the order of the tickets; one that found its slot taken was counted as lost. */
static void drain(void)
{
	while (has_posted()) {
		uint64_t taken = atomic_load(&set.taken);

		if (atomic_load(&set.queue[taken % QUEUE_SLOTS].state) == QUEUE_READY) {
			struct lockset_change change = set.queue[taken % QUEUE_SLOTS].change;

			atomic_store(&set.queue[taken % QUEUE_SLOTS].state, QUEUE_FREE);
			atomic_store(&set.taken, taken + 1);
			lockset_apply(&change);
		} else {
			atomic_store(&set.taken, taken + 1);
		}
	}
}

static void let_go(void)
{
	do {
		drain();
		atomic_store(&set.owner, 0);
	} while (shim_unlikely(has_posted()) && try_lock());
}

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
	atomic_store(&set.posted, 0);
	atomic_store(&set.taken, 0);
	for (int i = 0; i < QUEUE_SLOTS; i++)
		atomic_store(&set.queue[i].state, QUEUE_FREE);
}
