/*
 * The orders of locks: see edge.h. Two hashes with open addressing, filled by compare-and-swap, find
 * equal records; their slots carry the epoch of the segment, so that a forked child finds them empty. Two
 * threads may add the same thing at once: then there are two records, which does no harm.
 */
#include <stdatomic.h>

#include "preload/edge.h"
#include "preload/segment_file.h"
#include "preload/shim.h"

#define HASH_SLOTS 8192 /* a power of two, twice the records */
#define MAX_PROBES 32   /* what finds no slot is recorded again: better than not at all */
#define RESOURCES 4096
/* Half of the files may be pinned by edges; the other half is for the locks of the day. */
#define MAX_PINNED (RESOURCES / 2)

static struct {
	_Atomic uint64_t holdings[HASH_SLOTS]; /* epoch << 32 | index */
	_Atomic uint64_t edges[HASH_SLOTS];
	_Atomic uint64_t pinned[RESOURCES / 64 + 1];
	_Atomic uint32_t pinned_count;
	_Atomic uint64_t pinned_epoch;
} orders;

/* --- the files that edges name ------------------------------------------------------------------- */

/* Another segment has other files. */
static void start_epoch(void)
{
	uint64_t epoch = segment_epoch();

	if (shim_likely(atomic_load_explicit(&orders.pinned_epoch, memory_order_relaxed) == epoch))
		return;
	for (uint32_t i = 0; i <= RESOURCES / 64; i++)
		atomic_store_explicit(&orders.pinned[i], 0, memory_order_relaxed);
	atomic_store(&orders.pinned_count, 0);
	atomic_store(&orders.pinned_epoch, epoch);
}

bool edge_names(uint32_t resource)
{
	start_epoch();
	return resource <= RESOURCES &&
	       atomic_load(&orders.pinned[resource / 64]) >> resource % 64 & 1;
}

static bool pin(uint32_t resource)
{
	uint64_t bit = UINT64_C(1) << resource % 64;

	if (edge_names(resource))
		return true;
	if (resource > RESOURCES || atomic_load(&orders.pinned_count) >= MAX_PINNED)
		return false;
	if (!(atomic_fetch_or(&orders.pinned[resource / 64], bit) & bit))
		atomic_fetch_add(&orders.pinned_count, 1);
	return true;
}

static void count_dropped(enum seg_table_id table)
{
	atomic_fetch_add_explicit((_Atomic uint32_t *)&SEG_TABLE(segment_get(), table).dropped, 1,
				  memory_order_relaxed);
}

/* --- records that are equal ------------------------------------------------------------------------ */

static uint32_t hash_of(uint32_t chain, const struct edge_lock *lock)
{
	uint64_t hash = ((uint64_t)chain << 32 | lock->resource) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 29 ^ lock->range.start) * UINT64_C(0xbf58476d1ce4e5b9);
	hash = (hash ^ hash >> 32 ^ lock->range.end ^ (uint64_t)lock->stack << 8 ^
		(uint64_t)(lock->kind << 4 ^ lock->mode)) *
	       UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(hash >> 40) & (HASH_SLOTS - 1);
}

static bool is_equal_holding(uint32_t index, uint32_t under, const struct edge_lock *lock)
{
	const struct seg_holding *h = segment_record(SEG_HOLDINGS, index);

	return h && h->under == under && h->resource == lock->resource && h->stack == lock->stack &&
	       h->kind == lock->kind && h->mode == lock->mode && h->start == lock->range.start &&
	       h->end == lock->range.end;
}

static bool is_equal_edge(uint32_t index, uint32_t held, const struct edge_lock *lock)
{
	const struct seg_edge *e = segment_record(SEG_EDGES, index);

	return e && e->held == held && e->resource == lock->resource && e->stack == lock->stack &&
	       e->kind == lock->kind && e->mode == lock->mode && e->start == lock->range.start &&
	       e->end == lock->range.end;
}

typedef bool is_equal_fn(uint32_t index, uint32_t chain, const struct edge_lock *lock);

/* The index of the equal record, or 0 and the slot that a new one may have (HASH_SLOTS: none). */
static uint32_t look_up(_Atomic uint64_t *slots, uint32_t *slot, is_equal_fn *is_equal,
			uint32_t chain, const struct edge_lock *lock)
{
	uint64_t epoch = segment_epoch() & UINT32_MAX;
	uint32_t at = hash_of(chain, lock);

	for (int n = 0; n < MAX_PROBES; n++, at = (at + 1) & (HASH_SLOTS - 1)) {
		uint64_t value = atomic_load_explicit(&slots[at], memory_order_acquire);

		*slot = at;
		if (value >> 32 != epoch)
			return 0;
		if (is_equal((uint32_t)value, chain, lock))
			return (uint32_t)value;
	}
	*slot = HASH_SLOTS;
	return 0;
}

static void enter(_Atomic uint64_t *slots, uint32_t slot, uint32_t index)
{
	if (slot < HASH_SLOTS)
		atomic_store_explicit(&slots[slot], (segment_epoch() & UINT32_MAX) << 32 | index,
				      memory_order_release);
}

/* --- chains ------------------------------------------------------------------------------------------ */

static uint32_t new_holding(uint32_t under, const struct edge_lock *lock)
{
	struct seg_holding *record;
	uint32_t index;

	if (!pin(lock->resource)) {
		count_dropped(SEG_HOLDINGS);
		return 0;
	}
	index = segment_append(SEG_HOLDINGS, (void **)&record);
	if (!index)
		return 0;
	record->under = under;
	record->resource = lock->resource;
	record->stack = lock->stack;
	record->kind = lock->kind;
	record->mode = lock->mode;
	record->start = lock->range.start;
	record->end = lock->range.end;
	record->ofd = lock->ofd;
	segment_publish(&record->seq);
	return index;
}

void edge_holding(struct edge_held *held, const struct edge_lock *lock)
{
	uint32_t slot, index;

	if (held->is_lost)
		return;
	if (held->depth == EDGE_DEPTH) {
		held->is_cut = true;
		return;
	}
	index = look_up(orders.holdings, &slot, is_equal_holding, held->chain, lock);
	if (index) {
		struct seg_holding *record = segment_record(SEG_HOLDINGS, index);

		atomic_store_explicit((_Atomic uint64_t *)&record->ofd, lock->ofd,
				      memory_order_relaxed);
	} else {
		index = new_holding(held->chain, lock);
		if (index)
			enter(orders.holdings, slot, index);
	}
	held->is_lost = !index;
	held->chain = index;
	held->depth++;
}

/* --- edges ------------------------------------------------------------------------------------------- */

static uint32_t new_edge(const struct edge_held *held, const struct edge_lock *lock,
			 uint64_t now_ns)
{
	struct seg_edge *record;
	uint32_t index;

	if (!pin(lock->resource)) {
		count_dropped(SEG_EDGES);
		return 0;
	}
	index = segment_append(SEG_EDGES, (void **)&record);
	if (!index)
		return 0;
	record->held = held->chain;
	record->resource = lock->resource;
	record->stack = lock->stack;
	record->kind = lock->kind;
	record->mode = lock->mode;
	record->flags = held->is_cut ? SEG_EDGE_CUT : 0;
	record->thread = segment_thread();
	record->start = lock->range.start;
	record->end = lock->range.end;
	record->ofd = lock->ofd;
	record->count = 1;
	record->first_ns = record->last_ns = now_ns;
	segment_publish(&record->seq);
	return index;
}

/* The fields that change are counters: a reader takes each as it is. */
static void again(struct seg_edge *record, const struct edge_lock *lock, uint64_t now_ns)
{
	atomic_fetch_add_explicit((_Atomic uint64_t *)&record->count, 1, memory_order_relaxed);
	atomic_store_explicit((_Atomic uint64_t *)&record->last_ns, now_ns, memory_order_relaxed);
	atomic_store_explicit((_Atomic uint64_t *)&record->ofd, lock->ofd, memory_order_relaxed);
	if (shim_unlikely(record->thread != segment_thread() && !record->other_thread))
		atomic_store_explicit((_Atomic uint32_t *)&record->other_thread, segment_thread(),
				      memory_order_relaxed);
}

void edge_asked(const struct edge_held *held, const struct edge_lock *lock, uint64_t now_ns)
{
	uint32_t slot, index;

	if (held->is_lost || !held->chain)
		return;
	index = look_up(orders.edges, &slot, is_equal_edge, held->chain, lock);
	if (index) {
		again(segment_record(SEG_EDGES, index), lock, now_ns);
		return;
	}
	index = new_edge(held, lock, now_ns);
	if (index)
		enter(orders.edges, slot, index);
}
