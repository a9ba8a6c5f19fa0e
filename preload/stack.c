/*
 * Stacks of locks: see shim.h and stack.h. Equal stacks share a record; a hash outside the segment
 * finds it, with the epoch in its slots so that a forked child starts empty.
 */
#include <stdatomic.h>
#include <string.h>

#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/stack.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#define HASH_SLOTS 2048 /* a power of two; what finds no slot is recorded twice */
#define MAX_PROBES 16

static struct {
	_Atomic uint64_t slots[HASH_SLOTS]; /* epoch << 32 | index */
} stacks;

static uint64_t hash_of(const uint64_t *pcs, uint32_t count)
{
	uint64_t hash = count;

	for (uint32_t i = 0; i < count; i++)
		hash = (hash ^ pcs[i]) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
	return hash ^ hash >> 32;
}

static const uint64_t *pcs_of(const struct seg_stack *record)
{
	return segment_record(SEG_PCS, record->pcs + 1);
}

static bool is_equal(uint32_t index, uint64_t hash, const uint64_t *pcs, uint32_t count)
{
	const struct seg_stack *record = segment_record(SEG_STACKS, index);

	return record && record->hash == hash && record->count == count &&
	       memcmp(pcs_of(record), pcs, count * sizeof(*pcs)) == 0;
}

static uint32_t append(uint64_t hash, const uint64_t *pcs, uint32_t count)
{
	struct seg_stack *record;
	uint32_t index;
	int64_t first;
	void *room;

	first = segment_reserve(segment_get(), SEG_PCS, count, &room);
	if (first < 0)
		return 0;
	memcpy(room, pcs, count * sizeof(*pcs));
	index = segment_append(SEG_STACKS, (void **)&record);
	if (!index)
		return 0;
	record->count = count;
	record->pcs = (uint32_t)first;
	record->flags = count == STACK_MAX_FRAMES;
	record->hash = hash;
	segment_publish(&record->seq);
	for (uint32_t i = 0; i < count; i++)
		module_note(pcs[i]);
	return index;
}

/* Two threads may add the same stack at once: then there are two records, which does no harm. */
uint32_t stack_intern(const uint64_t *pcs, uint32_t count)
{
	uint64_t epoch = segment_epoch() & UINT32_MAX, hash = hash_of(pcs, count);
	uint32_t at = (uint32_t)hash & (HASH_SLOTS - 1), index;

	if (!count)
		return 0;
	for (int n = 0; n < MAX_PROBES; n++, at = (at + 1) & (HASH_SLOTS - 1)) {
		uint64_t value = atomic_load_explicit(&stacks.slots[at], memory_order_acquire);

		if (value >> 32 != epoch)
			break;
		if (is_equal((uint32_t)value, hash, pcs, count))
			return (uint32_t)value;
	}
	index = append(hash, pcs, count);
	if (index)
		atomic_store_explicit(&stacks.slots[at], epoch << 32 | index, memory_order_release);
	return index;
}

uint32_t stack_copy(uint32_t stack, uint64_t *pcs)
{
	const struct seg_stack *record = segment_record(SEG_STACKS, stack);

	if (!record || record->count > STACK_MAX_FRAMES)
		return 0;
	memcpy(pcs, pcs_of(record), record->count * sizeof(*pcs));
	return record->count;
}

/* --- the same stack again ------------------------------------------------------------------------ */

/*
 * A loop that locks asks for one stack over and over. What the last unwinding from a stack
 * pointer depended on is kept: comparing it takes a tenth of the time. An entry belongs to whoever
 * has set `busy`; who finds it set (another thread, an interrupted one) does without.
 */
#define MEMOS 16

struct memo {
	_Atomic uint32_t busy;
	uint32_t stack;
	uint64_t epoch;
	struct unwind_trace trace;
};

static struct {
	struct memo memos[MEMOS];
} memory;

static uint32_t unwind(const struct unwind_start *start, struct memo *memo)
{
	uint64_t pcs[STACK_MAX_FRAMES];
	uint32_t count = unwind_from(start, pcs, STACK_MAX_FRAMES, memo ? &memo->trace : NULL);

	return stack_intern(pcs, count);
}

__attribute__((noinline)) uint32_t stack_capture(void)
{
	struct unwind_start start;
	struct memo *memo;
	uint32_t stack;

	unwind_start_here(&start);
	memo = &memory.memos[(start.sp >> 4 ^ start.sp >> 12) % MEMOS];
	if (atomic_exchange_explicit(&memo->busy, 1, memory_order_acquire))
		return unwind(&start, NULL);
	if (memo->epoch != segment_epoch() || !unwind_is_same(&start, &memo->trace)) {
		memo->epoch = 0;
		memo->stack = unwind(&start, memo);
		memo->epoch = segment_epoch();
	}
	stack = memo->stack;
	atomic_store_explicit(&memo->busy, 0, memory_order_release);
	return stack;
}
