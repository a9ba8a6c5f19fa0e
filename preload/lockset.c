/* The set of locks: its changes, and questions to it. See lockset.h. */
#include <stdatomic.h>

#include "preload/descriptor.h"
#include "preload/lockset_list.h"
#include "preload/lost.h"
#include "preload/shim.h"

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
	lockset_insert(slot);
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
	struct seg_lock *record = lockset_record(slot);

	if (!is_explicit || !(record->flags & (SEG_LOCK_SHARED | SEG_LOCK_INHERITED))) {
		lockset_remove(slot);
		return;
	}
	lockset_leave(slot);
	segment_open_record(&record->seq);
	record->state = SEG_LOCK_RELEASED;
	segment_publish(&record->seq);
}

/* Takes `cut` out of a hold: it shrinks, splits or goes. */
static void cut_out(uint32_t slot, const struct lockset_change *change, bool is_explicit)
{
	struct seg_lock *record = lockset_record(slot);
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
	const struct seg_lock *old = lockset_record(slot);
	struct range both = range_union(range_of(record), range_of(old));

	segment_open_record(&record->seq);
	record->start = both.start;
	record->end = both.end;
	record->flags |= old->flags & (SEG_LOCK_SHARED | SEG_LOCK_INHERITED | SEG_LOCK_BEFORE);
	if (old->hold_since_ns < record->hold_since_ns)
		record->hold_since_ns = old->hold_since_ns;
	segment_publish(&record->seq);
	lockset_remove(slot);
}

/* The part of another mode gives way; who shared the old mode shares the new one. */
static void convert(struct seg_lock *record, uint32_t slot, const struct lockset_change *cut)
{
	segment_open_record(&record->seq);
	record->flags |= lockset_record(slot)->flags & (SEG_LOCK_SHARED | SEG_LOCK_INHERITED);
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
	struct seg_lock *record = lockset_record(change->slot);
	struct lockset_change cut = { .range = range_of(record) };

	for_each_of(slot, after, record->resource, guard) {
		struct seg_lock *old = lockset_record(slot);

		if (slot == change->slot)
			continue;
		if (ends_polling(old, record) || is_outlived(old, record))
			lockset_remove(slot);
		else if (!is_hold_of(old, record->kind, record->ofd))
			continue;
		else if (old->mode == record->mode && range_touches(range_of(old), range_of(record)))
			merge(record, slot);
		else if (range_overlaps(range_of(old), cut.range))
			convert(record, slot, &cut);
	}
	lockset_insert(change->slot);
}

static void apply_release(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		struct seg_lock *record = lockset_record(slot);

		if (is_hold_of(record, change->kind, change->ofd) &&
		    range_overlaps(range_of(record), change->range))
			cut_out(slot, change, true);
	}
}

static void apply_drop(const struct lockset_change *change)
{
	bool dropped = false;

	for_each_of(slot, after, change->resource, guard) {
		const struct seg_lock *record = lockset_record(slot);

		if (record->state != SEG_LOCK_HELD)
			continue;
		if (change->verb == LOCKSET_DROP_POSIX ? record->kind != SEG_LOCK_POSIX
						       : record->ofd != change->ofd)
			continue;
		dropped = true;
		if (change->verb == LOCKSET_DROP_POSIX)
			lost_by_close(record, change);
		lockset_remove(slot);
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
		struct seg_lock *record = lockset_record(slot);

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
	lockset_insert(slot);
}

/* A thread that asks for ever other ranges and never comes back keeps its last few. */
#define MAX_POLLS 8

static void apply_refused(const struct lockset_change *change)
{
	uint32_t polls = 0, oldest = 0;
	uint64_t oldest_ns = UINT64_MAX;

	for_each_of(slot, after, change->resource, guard) {
		struct seg_lock *record = lockset_record(slot);

		if (record->state != SEG_LOCK_POLLING || record->thread != change->thread)
			continue;
		polls++;
		if (record->last_try_ns < oldest_ns) {
			oldest_ns = record->last_try_ns;
			oldest = slot;
		}
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
	if (polls >= MAX_POLLS)
		lockset_remove(oldest);
	new_poll(change);
}

static void apply_end_polling(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		const struct seg_lock *record = lockset_record(slot);

		if (record->state == SEG_LOCK_POLLING && record->fd == change->fd)
			lockset_remove(slot);
	}
}

/* Whoever took it through us meanwhile knows more about it. */
static void apply_adopt(const struct lockset_change *change)
{
	const struct seg_lock *record = lockset_record(change->slot);

	if (lockset_mode_of(record->resource, record->kind, record->ofd, range_of(record)))
		lockset_free(change->slot);
	else
		lockset_insert(change->slot);
}

static void apply_disown(const struct lockset_change *change)
{
	for_each_of(slot, after, change->resource, guard) {
		const struct seg_lock *record = lockset_record(slot);

		if (slot != change->slot || record->request != change->request)
			continue;
		lockset_remove(slot);
		return;
	}
}

void lockset_apply(const struct lockset_change *change)
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
	case LOCKSET_ADOPT:
		apply_adopt(change);
		break;
	case LOCKSET_DISOWN:
		apply_disown(change);
		break;
	}
}

/* --- questions ------------------------------------------------------------------------------- */

/* Reads the list without the lock: a wrong answer costs a flag or a number, no more. */
uint64_t lockset_find_ofd(uint32_t resource, int fd)
{
	for_each_of(slot, after, resource, guard) {
		const struct seg_lock *record = lockset_record(slot);
		int known;

		if (!record || record->state != SEG_LOCK_HELD || record->kind == SEG_LOCK_POSIX)
			continue;
		known = descriptor_other(record->ofd, fd);
		if (known >= 0 && descriptor_same_file(known, fd) == 1)
			return record->ofd;
	}
	return 0;
}

/*
 * The list of the thread's holds may be changed meanwhile, by a thread that releases what this one took: then a
 * record is skipped, or stands in another list. Whatever is not this thread's hold is left out.
 */
static bool copy_hold(uint32_t slot, struct seg_lock *copy)
{
	const struct seg_lock *record = lockset_record(slot);
	uint32_t seq;

	if (!record)
		return false;
	seq = atomic_load_explicit((const _Atomic uint32_t *)&record->seq, memory_order_acquire);
	*copy = *record;
	atomic_thread_fence(memory_order_acquire);
	return !(seq & 1) && record->seq == seq && copy->state == SEG_LOCK_HELD &&
	       copy->thread == segment_thread();
}

void lockset_held(struct edge_held *held)
{
	uint32_t slots[EDGE_DEPTH], count = 0, slot = lockset_newest(segment_thread());
	struct seg_lock copy;

	for (; slot && count < EDGE_DEPTH; slot = lockset_older(slot))
		slots[count++] = slot;
	held->is_cut |= slot != 0;
	while (count--)
		if (copy_hold(slots[count], &copy))
			edge_holding(held, &(struct edge_lock){ copy.resource, copy.stack, copy.kind,
								copy.mode, range_of(&copy),
								copy.ofd });
}

void lockset_each_posix(void (*visit)(const struct seg_lock *lock))
{
	const struct seg_header *header = segment_get();

	for (uint32_t slot = 1; slot <= header->tables[SEG_LOCKS].used; slot++)
		if (is_hold_of(lockset_record(slot), SEG_LOCK_POSIX, 0))
			visit(lockset_record(slot));
}

bool lockset_has_posix_on(uint32_t resource)
{
	return lockset_mode_of(resource, SEG_LOCK_POSIX, 0, (struct range){ 0, SEG_TO_EOF }) != 0;
}

bool lockset_holds(void)
{
	return lockset_newest(segment_thread()) != 0;
}

bool lockset_has_already(const struct seg_lock *asked)
{
	for_each_of(slot, after, asked->resource, guard) {
		const struct seg_lock *record = lockset_record(slot);

		if (record && is_hold_of(record, asked->kind, asked->ofd) &&
		    record->mode >= asked->mode &&
		    range_covers(range_of(record), range_of(asked)))
			return true;
	}
	return false;
}

uint8_t lockset_mode_of(uint32_t resource, uint8_t kind, uint64_t ofd, struct range range)
{
	for_each_of(slot, after, resource, guard) {
		const struct seg_lock *record = lockset_record(slot);

		if (record && is_hold_of(record, kind, ofd) &&
		    range_overlaps(range_of(record), range))
			return record->mode;
	}
	return 0;
}
