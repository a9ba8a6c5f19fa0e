/* See sync.h. A hash outside the segment finds the record, as for stacks. */
#include <stdatomic.h>

#include "preload/shim.h"
#include "preload/sync.h"
#include "preload/track.h"

#define HASH_SLOTS 2048 /* a power of two */
#define MAX_PROBES 16
#define PAGES 16 /* a thousand objects; more are counted as dropped */

static struct {
	_Atomic uint64_t slots[HASH_SLOTS]; /* epoch << 32 | number of the object, from 1 */
	_Atomic uint64_t pages[PAGES];      /* epoch << 32 | index in SEG_LISTS */
	_Atomic uint64_t used;              /* epoch << 32 | objects */
} objects;

static uint64_t tag(void)
{
	return (segment_epoch() & UINT32_MAX) << 32;
}

static bool is_ours(uint64_t value)
{
	return value >> 32 == tag() >> 32;
}

static uint32_t first_slot(uint64_t address)
{
	return (uint32_t)(address * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (HASH_SLOTS - 1);
}

/* Of two threads that make the same page, one makes it in vain. */
static struct seg_syncs *page_at(uint32_t number)
{
	_Atomic uint64_t *page = &objects.pages[number];
	uint64_t value = atomic_load(page);
	struct seg_syncs *record;
	uint32_t index;

	if (is_ours(value))
		return segment_record(SEG_LISTS, (uint32_t)value);
	index = segment_append(SEG_LISTS, (void **)&record);
	if (!index)
		return NULL;
	record->tid = SEG_SYNCS_TID;
	segment_publish(&record->seq);
	if (!atomic_compare_exchange_strong(page, &value, tag() | index))
		return segment_record(SEG_LISTS, (uint32_t)value);
	return record;
}

static struct seg_sync *object_at(uint32_t number)
{
	struct seg_syncs *page;

	if (!number || number > PAGES * SEG_SYNCS_MAX)
		return NULL;
	page = page_at((number - 1) / SEG_SYNCS_MAX);
	return page ? &page->syncs[(number - 1) % SEG_SYNCS_MAX] : NULL;
}

static uint32_t new_number(void)
{
	uint64_t used = atomic_load(&objects.used), next;

	do {
		next = is_ours(used) ? used + 1 : tag() | 1;
		if ((uint32_t)next > PAGES * SEG_SYNCS_MAX)
			return 0;
	} while (!atomic_compare_exchange_weak(&objects.used, &used, next));
	return (uint32_t)next;
}

static void count_dropped(void)
{
	atomic_fetch_add((_Atomic uint32_t *)&segment_get()->tables[SEG_LISTS].dropped, 1);
}

/* Two threads may add the same object at once: the reader adds up what it finds. */
static struct seg_sync *append(_Atomic uint64_t *slot, uint8_t kind, uint64_t address)
{
	uint32_t number = new_number();
	struct seg_sync *record = object_at(number);

	if (!record) {
		count_dropped();
		return NULL;
	}
	record->kind = kind;
	atomic_store_explicit((_Atomic uint64_t *)&record->address, address, memory_order_release);
	atomic_store_explicit(slot, tag() | number, memory_order_release);
	return record;
}

static struct seg_sync *find(uint8_t kind, uint64_t address)
{
	uint32_t at = first_slot(address);

	for (int n = 0; n < MAX_PROBES; n++, at = (at + 1) & (HASH_SLOTS - 1)) {
		uint64_t value = atomic_load_explicit(&objects.slots[at], memory_order_acquire);
		struct seg_sync *record;

		if (!is_ours(value))
			return append(&objects.slots[at], kind, address);
		record = object_at((uint32_t)value);
		if (record && record->address == address && record->kind == kind)
			return record;
	}
	count_dropped();
	return NULL;
}

void sync_happened(uint8_t kind, uint64_t address, uint64_t site, bool is_foreign)
{
	struct seg_sync *record;
	int saved_errno;

	/* A child that has recorded nothing makes no segment for this. */
	if (track_level() != TRACK_FULL || !segment_get() || !shim_begin(&saved_errno))
		return;
	record = find(kind, address);
	if (record) {
		atomic_fetch_add_explicit((_Atomic uint64_t *)&record->count, 1, memory_order_relaxed);
		if (is_foreign)
			atomic_fetch_add_explicit((_Atomic uint64_t *)&record->foreign, 1,
						  memory_order_relaxed);
		record->last_ns = shim_coarse_ns();
		record->last_site = site;
		record->last_tid = shim_self.tid;
	}
	shim_end(saved_errno);
}
