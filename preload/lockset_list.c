/* The records of the set of locks and their lists: see lockset_list.h. */
#include <stdatomic.h>

#include "preload/lockset_list.h"
#include "preload/shim.h"

#define RESOURCES 4096
#define THREADS 2048 /* what others hold stands in no list */

static struct {
	_Atomic uint64_t free; /* stack of free records: tag << 32 | slot */
	_Atomic uint32_t posix, ofd, polling;
	uint32_t generation; /* of the lists: what has another one is not there */
	uint64_t head[RESOURCES + 1];       /* generation << 32 | slot */
	uint32_t next[SEGMENT_LOCKS + 1];   /* in a resource's list */
	uint32_t member[SEGMENT_LOCKS + 1]; /* the generation in which it is on a list */
	/* What each thread holds, the newest first: for the order of locks. */
	uint64_t newest[THREADS + 1];       /* generation << 32 | slot */
	uint32_t older[SEGMENT_LOCKS + 1], newer[SEGMENT_LOCKS + 1];
	_Atomic uint32_t next_free[SEGMENT_LOCKS + 1];
} set;

/* --- records -------------------------------------------------------------------------------- */

struct seg_lock *lockset_record(uint32_t slot)
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
	*record = lockset_record(slot);
	segment_open_record(&(*record)->seq);
	clear(*record);
	return slot;
}

void lockset_free(uint32_t slot)
{
	struct seg_lock *record = lockset_record(slot);

	segment_open_record(&record->seq);
	record->state = SEG_LOCK_FREE;
	segment_publish(&record->seq);
	push_free(slot);
}

/* --- lists ---------------------------------------------------------------------------------- */

uint32_t lockset_first(uint32_t resource)
{
	uint64_t value = resource <= RESOURCES ? set.head[resource] : 0;

	return value >> 32 == set.generation ? (uint32_t)value : 0;
}

uint32_t lockset_next(uint32_t slot)
{
	return set.next[slot];
}

static void set_first(uint32_t resource, uint32_t slot)
{
	set.head[resource] = (uint64_t)set.generation << 32 | slot;
}

static void count(const struct seg_lock *record, int by)
{
	if (record->state == SEG_LOCK_POLLING)
		atomic_fetch_add_explicit(&set.polling, (uint32_t)by, memory_order_relaxed);
	else if (record->state == SEG_LOCK_HELD && record->kind == SEG_LOCK_POSIX)
		atomic_fetch_add_explicit(&set.posix, (uint32_t)by, memory_order_relaxed);
	else if (record->state == SEG_LOCK_HELD)
		atomic_fetch_add_explicit(&set.ofd, (uint32_t)by, memory_order_relaxed);
}

/* --- what a thread holds -------------------------------------------------------------------- */

static uint32_t newest_of(uint32_t thread)
{
	uint64_t value = thread && thread <= THREADS ? set.newest[thread] : 0;

	return value >> 32 == set.generation ? (uint32_t)value : 0;
}

static void set_newest(uint32_t thread, uint32_t slot)
{
	set.newest[thread] = (uint64_t)set.generation << 32 | slot;
}

static void join_thread(uint32_t slot, const struct seg_lock *record)
{
	uint32_t older;

	if (record->state != SEG_LOCK_HELD || !record->thread || record->thread > THREADS)
		return;
	older = newest_of(record->thread);
	set.older[slot] = older;
	set.newer[slot] = 0;
	set.newer[older] = slot;
	set_newest(record->thread, slot);
}

static void leave_thread(uint32_t slot, const struct seg_lock *record)
{
	uint32_t older = set.older[slot], newer = set.newer[slot];

	if (record->state != SEG_LOCK_HELD || !record->thread || record->thread > THREADS)
		return;
	set.newer[older] = newer;
	if (newer)
		set.older[newer] = older;
	else
		set_newest(record->thread, older);
}

uint32_t lockset_newest(uint32_t thread)
{
	return newest_of(thread);
}

uint32_t lockset_older(uint32_t slot)
{
	return slot <= SEGMENT_LOCKS ? set.older[slot] : 0;
}

void lockset_leave(uint32_t slot)
{
	const struct seg_lock *record = lockset_record(slot);

	count(record, -1);
	leave_thread(slot, record);
}

void lockset_insert(uint32_t slot)
{
	const struct seg_lock *record = lockset_record(slot);

	if (set.member[slot] == set.generation)
		return;
	set.member[slot] = set.generation;
	set.next[slot] = lockset_first(record->resource);
	set_first(record->resource, slot);
	count(record, 1);
	join_thread(slot, record);
}

static void unlink_slot(uint32_t slot)
{
	const struct seg_lock *record = lockset_record(slot);
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
		set.member[slot] = 0;
		lockset_leave(slot);
		return;
	}
}

void lockset_remove(uint32_t slot)
{
	unlink_slot(slot);
	lockset_free(slot);
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

static void clear_lists(void)
{
	set.generation++;
	atomic_store(&set.posix, 0);
	atomic_store(&set.ofd, 0);
	atomic_store(&set.polling, 0);
}

void lockset_list_reset(void)
{
	atomic_store(&set.free, 0);
	clear_lists();
}

void lockset_rebuild(void)
{
	const struct seg_header *header = segment_get();

	clear_lists();
	for (uint32_t slot = 1; slot <= header->tables[SEG_LOCKS].used; slot++) {
		const struct seg_lock *record = lockset_record(slot);

		if (!(record->seq & 1) && record->state != SEG_LOCK_FREE &&
		    record->state != SEG_LOCK_WAITING && record->resource)
			lockset_insert(slot);
	}
}
