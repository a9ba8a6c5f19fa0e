/*
 * The set of locks: see lockset.h.
 *
 * Records that are in the set (held, polling, tombstones) hang on a list of their resource. The
 * lists live outside the segment: a reader needs none, and nobody else can spoil them. A record that
 * waits is not in the set; it enters it when it is granted.
 */
#include <stdatomic.h>

#include "preload/descriptor.h"
#include "preload/lockset.h"
#include "preload/resource.h"
#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define QUEUE_SLOTS 32
#define SPIN_LIMIT 500
#define RESOURCES 4096

enum queue_state { QUEUE_FREE, QUEUE_FILLING, QUEUE_READY };

static struct {
	_Atomic int32_t owner; /* tid, 0 free */
	_Atomic uint64_t free; /* stack of free records: tag << 32 | slot */
	_Atomic uint32_t posix, ofd, polling;
	uint64_t head[RESOURCES + 1];       /* epoch << 32 | slot */
	uint32_t next[SEGMENT_LOCKS + 1];   /* in a resource's list */
	_Atomic uint32_t next_free[SEGMENT_LOCKS + 1];
	_Atomic uint64_t posted, taken;     /* tickets of the queue */
	struct {
		_Atomic uint32_t state;
		struct lockset_change change;
	} queue[QUEUE_SLOTS];
} set;

/* --- records -------------------------------------------------------------------------------- */

static struct seg_lock *record_of(uint32_t slot)
{
	return segment_record(SEG_LOCKS, slot);
}

static uint32_t pop_free(void)
{
	uint64_t head = atomic_load(&set.free), next;

	do {
		if (!(uint32_t)head)
			return 0;
		next = ((head >> 32) + 1) << 32 | atomic_load(&set.next_free[(uint32_t)head]);
	} while (!atomic_compare_exchange_weak(&set.free, &head, next));
	return (uint32_t)head;
}

static void push_free(uint32_t slot)
{
	uint64_t head = atomic_load(&set.free);

	do
		atomic_store(&set.next_free[slot], (uint32_t)head);
	while (!atomic_compare_exchange_weak(&set.free, &head,
					     ((head >> 32) + 1) << 32 | slot));
}

static void clear(struct seg_lock *record)
{
	uint32_t seq = record->seq;

	*record = (struct seg_lock){ .seq = seq };
}

uint32_t lockset_new(struct seg_lock **record)
{
	uint32_t slot = pop_free();

	if (!slot)
		return segment_append(SEG_LOCKS, (void **)record);
	*record = record_of(slot);
	segment_open_record(&(*record)->seq);
	clear(*record);
	return slot;
}

void lockset_free(uint32_t slot)
{
	struct seg_lock *record = record_of(slot);

	segment_open_record(&record->seq);
	record->state = SEG_LOCK_FREE;
	segment_publish(&record->seq);
	push_free(slot);
}

/* --- lists ---------------------------------------------------------------------------------- */

static uint32_t first_of(uint32_t resource)
{
	uint64_t value = resource <= RESOURCES ? set.head[resource] : 0;

	return value >> 32 == (segment_epoch() & UINT32_MAX) ? (uint32_t)value : 0;
}

static void set_first(uint32_t resource, uint32_t slot)
{
	set.head[resource] = (segment_epoch() & UINT32_MAX) << 32 | slot;
}

/* Every walk is bounded: a siglongjmp out of a change may have left a list in any state. */
#define for_each_of(slot, after, resource, guard)                                               \
	for (uint32_t guard = 0, slot = first_of(resource), after = slot ? set.next[slot] : 0;  \
	     slot && guard < SEGMENT_LOCKS;                                                     \
	     guard++, slot = after, after = slot ? set.next[slot] : 0)

static void count(const struct seg_lock *record, uint32_t by)
{
	if (record->state == SEG_LOCK_POLLING)
		atomic_fetch_add_explicit(&set.polling, by, memory_order_relaxed);
	else if (record->state == SEG_LOCK_HELD && record->kind == SEG_LOCK_POSIX)
		atomic_fetch_add_explicit(&set.posix, by, memory_order_relaxed);
	else if (record->state == SEG_LOCK_HELD)
		atomic_fetch_add_explicit(&set.ofd, by, memory_order_relaxed);
}

static void insert(uint32_t slot)
{
	const struct seg_lock *record = record_of(slot);

	set.next[slot] = first_of(record->resource);
	set_first(record->resource, slot);
	count(record, 1);
}

static void unlink_slot(uint32_t slot)
{
	const struct seg_lock *record = record_of(slot);
	uint32_t previous = 0;

	for_each_of(at, after, record->resource, guard) {
		if (at != slot) {
			previous = at;
			continue;
		}
		if (previous)
			set.next[previous] = after;
		else
			set_first(record->resource, after);
		count(record, (uint32_t)-1);
		return;
	}
}

static void remove_slot(uint32_t slot)
{
	unlink_slot(slot);
	lockset_free(slot);
}

static struct range range_of(const struct seg_lock *record)
{
	return (struct range){ record->start, record->end };
}

static bool is_hold_of(const struct seg_lock *record, uint8_t kind, uint64_t ofd)
{
	return record->state == SEG_LOCK_HELD && record->kind == kind && record->ofd == ofd;
}

/* --- changes, under the try-lock -------------------------------------------------------------- */

/* A copy of `from` for another part of its range: the upper half of a split. */
static void split_off(const struct seg_lock *from, struct range part)
{
	struct seg_header *header = segment_get();
	struct seg_lock *record;
	uint32_t slot = lockset_new(&record), seq;

	if (!slot) {
		atomic_fetch_add((_Atomic uint32_t *)&header->lost_range, 1);
		return;
	}
	seq = record->seq;
	*record = *from;
	record->seq = seq;
	record->start = part.start;
	record->end = part.end;
	segment_publish(&record->seq);
	insert(slot);
}

static void remember(struct lockset_undo *undo, const struct seg_lock *record, struct range part)
{
	struct seg_lock *copy;

	if (!undo || undo->count == LOCKSET_UNDO)
		return;
	copy = &undo->removed[undo->count++];
	*copy = *record;
	copy->start = part.start;
	copy->end = part.end;
}

/* The whole record goes. A hold that children share and that is unlocked leaves a tombstone. */
static void release_whole(uint32_t slot, bool is_explicit)
{
	struct seg_lock *record = record_of(slot);

	if (!is_explicit || !(record->flags & (SEG_LOCK_SHARED | SEG_LOCK_INHERITED))) {
		remove_slot(slot);
		return;
	}
	count(record, (uint32_t)-1);
	segment_open_record(&record->seq);
	record->state = SEG_LOCK_RELEASED;
	segment_publish(&record->seq);
}

/* Takes `cut` out of a hold: it shrinks, splits or goes. */
static void cut_out(uint32_t slot, const struct lockset_change *change, bool is_explicit)
{
	struct seg_lock *record = record_of(slot);
	struct range whole = range_of(record), left[2];
	int parts = range_subtract(whole, change->range, left);
	struct range gone = {
		whole.start > change->range.start ? whole.start : change->range.start,
		whole.end < change->range.end ? whole.end : change->range.end,
	};

	remember(change->undo, record, gone);
	if (parts == 0) {
		release_whole(slot, is_explicit);
		return;
	}
	if (parts == 2)
		split_off(record, left[1]);
	segment_open_record(&record->seq);
	record->start = left[0].start;
	record->end = left[0].end;
	segment_publish(&record->seq);
}

/* The granted record swallows an equal neighbour, as the kernel does; the earlier time stays. */
static void merge(struct seg_lock *record, uint32_t slot)
{
	const struct seg_lock *old = record_of(slot);
	struct range both = range_union(range_of(record), range_of(old));

	segment_open_record(&record->seq);
	record->start = both.start;
	record->end = both.end;
	record->flags |= old->flags & (SEG_LOCK_SHARED | SEG_LOCK_INHERITED);
	if (old->hold_since_ns < record->hold_since_ns)
		record->hold_since_ns = old->hold_since_ns;
	segment_publish(&record->seq);
	remove_slot(slot);
}

/* The part of another mode gives way; who shared the old mode shares the new one. */
static void convert(struct seg_lock *record, uint32_t slot, const struct lockset_change *cut)
{
	segment_open_record(&record->seq);
	record->flags |= record_of(slot)->flags & (SEG_LOCK_SHARED | SEG_LOCK_INHERITED);
	segment_publish(&record->seq);
	cut_out(slot, cut, false);
}

static bool ends_polling(const struct seg_lock *poll, const struct seg_lock *granted)
{
	return poll->state == SEG_LOCK_POLLING && poll->kind == granted->kind &&
	       poll->thread == granted->thread && granted->mode >= poll->mode &&
	       range_overlaps(range_of(poll), range_of(granted));
}

/* Tombstones of the same description have done their work: this grant is later. */
static bool is_outlived(const struct seg_lock *record, const struct seg_lock *granted)
{
	return record->state == SEG_LOCK_RELEASED && record->kind == granted->kind &&
	       record->ofd == granted->ofd && range_covers(range_of(granted), range_of(record));
}

static void apply_grant(const struct lockset_change *change)
{
	struct seg_lock *record = record_of(change->slot);
	struct lockset_change cut = { .range = range_of(record) };

	for_each_of(slot, after, record->resource, guard) {
		struct seg_lock *old = record_of(slot);

		if (ends_polling(old, record) || is_outlived(old, record))
			remove_slot(slot);
		else if (!is_hold_of(old, record->kind, record->ofd))
			continue;
		else if (old->mode == record->mode && range_touches(range_of(old), range_of(record)))
			merge(record, slot);
		else if (range_overlaps(range_of(old), cut.range))
			convert(record, slot, &cut);
	}
	insert(change->slot);
}

static void apply_release(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		struct seg_lock *record = record_of(slot);

		if (is_hold_of(record, change->kind, change->ofd) &&
		    range_overlaps(range_of(record), change->range))
			cut_out(slot, change, true);
	}
}

static void apply_drop(const struct lockset_change *change)
{
	bool dropped = false;

	for_each_of(slot, after, change->resource, guard) {
		const struct seg_lock *record = record_of(slot);

		if (record->state != SEG_LOCK_HELD)
			continue;
		if (change->verb == LOCKSET_DROP_POSIX ? record->kind != SEG_LOCK_POSIX
						       : record->ofd != change->ofd)
			continue;
		dropped = true;
		remove_slot(slot);
	}
	if (dropped)
		segment_event_at(change->now_ns,
				 &(struct segment_event){
					 change->verb == LOCKSET_DROP_POSIX ? SEG_EV_DROPPED
									    : SEG_EV_RELEASED,
					 0, change->kind, change->resource, 0 });
}

/* The descriptor was closed, but another one keeps the description and its locks. */
static void apply_move(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		struct seg_lock *record = record_of(slot);

		if (record->state != SEG_LOCK_HELD || record->ofd != change->ofd ||
		    record->kind == SEG_LOCK_POSIX)
			continue;
		segment_open_record(&record->seq);
		record->fd = change->fd;
		segment_publish(&record->seq);
	}
}

static bool is_same_poll(const struct seg_lock *record, const struct lockset_change *change)
{
	return record->state == SEG_LOCK_POLLING && record->kind == change->kind &&
	       record->mode == change->mode && record->thread == change->thread &&
	       record->start == change->range.start && record->end == change->range.end;
}

static void new_poll(const struct lockset_change *change)
{
	struct seg_lock *record;
	uint32_t slot = lockset_new(&record);

	if (!slot)
		return;
	record->state = SEG_LOCK_POLLING;
	record->kind = change->kind;
	record->mode = change->mode;
	record->resource = change->resource;
	record->thread = change->thread;
	record->fd = change->fd;
	record->start = change->range.start;
	record->end = change->range.end;
	record->ofd = change->ofd;
	record->wait_since_ns = record->last_try_ns = change->now_ns;
	record->tries = 1;
	record->stack = change->stack;
	record->request = change->slot;
	segment_publish(&record->seq);
	insert(slot);
}

static void apply_refused(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		struct seg_lock *record = record_of(slot);

		if (!is_same_poll(record, change))
			continue;
		segment_open_record(&record->seq);
		record->tries++;
		record->last_try_ns = change->now_ns;
		record->stack = change->stack;
		record->fd = change->fd;
		segment_publish(&record->seq);
		return;
	}
	new_poll(change);
}

static void apply_end_polling(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		const struct seg_lock *record = record_of(slot);

		if (record->state == SEG_LOCK_POLLING && record->fd == change->fd)
			remove_slot(slot);
	}
}

static void apply(const struct lockset_change *change)
{
	switch ((enum lockset_verb)change->verb) {
	case LOCKSET_GRANT:
		apply_grant(change);
		break;
	case LOCKSET_RELEASE:
		apply_release(change);
		break;
	case LOCKSET_DROP_POSIX:
	case LOCKSET_DROP_OFD:
		apply_drop(change);
		break;
	case LOCKSET_MOVE:
		apply_move(change);
		break;
	case LOCKSET_REFUSED:
		apply_refused(change);
		break;
	case LOCKSET_END_POLLING:
		apply_end_polling(change);
		break;
	}
}

/* --- the try-lock and its queue -------------------------------------------------------------- */

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
			apply(&change);
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
		apply(change);
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

/* --- questions ------------------------------------------------------------------------------- */

/* Reads the list without the lock: a wrong answer costs a flag or a number, no more. */
uint64_t lockset_find_ofd(uint32_t resource, int fd)
{
	for_each_of(slot, after, resource, guard) {
		const struct seg_lock *record = record_of(slot);
		int known;

		if (!record || record->state != SEG_LOCK_HELD || record->kind == SEG_LOCK_POSIX)
			continue;
		known = descriptor_other(record->ofd, fd);
		if (known >= 0 && descriptor_same_file(known, fd) == 1)
			return record->ofd;
	}
	return 0;
}

uint8_t lockset_mode_of(uint32_t resource, uint8_t kind, uint64_t ofd, struct range range)
{
	for_each_of(slot, after, resource, guard) {
		const struct seg_lock *record = record_of(slot);

		if (record && is_hold_of(record, kind, ofd) &&
		    range_overlaps(range_of(record), range))
			return record->mode;
	}
	return 0;
}

bool lockset_has_posix(void)
{
	return atomic_load_explicit(&set.posix, memory_order_relaxed) != 0;
}

bool lockset_has_ofd(void)
{
	return atomic_load_explicit(&set.ofd, memory_order_relaxed) != 0;
}

bool lockset_has_polling(void)
{
	return atomic_load_explicit(&set.polling, memory_order_relaxed) != 0;
}

void lockset_reset(void)
{
	atomic_store(&set.owner, 0);
	atomic_store(&set.free, 0);
	atomic_store(&set.posix, 0);
	atomic_store(&set.ofd, 0);
	atomic_store(&set.polling, 0);
	atomic_store(&set.posted, 0);
	atomic_store(&set.taken, 0);
	for (int i = 0; i < QUEUE_SLOTS; i++)
		atomic_store(&set.queue[i].state, QUEUE_FREE);
}
