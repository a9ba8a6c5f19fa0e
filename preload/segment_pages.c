/*
 * The layout of the segment, and its pages: each is had from the kernel before its first use,
 * because on a full tmpfs a fault would be SIGBUS. Lock-free and async-signal-safe.
 */
#include <stdatomic.h>
#include <sys/auxv.h>

#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define SMALL_PAGE 4096

/* The tables of this version; offsets are computed from it. */
static const struct {
	uint32_t record_size;
	uint32_t capacity;
} layout[SEG_TABLE_IDS] = {
	[SEG_THREADS] = { sizeof(struct seg_thread), 2048 },
	[SEG_RESOURCES] = { sizeof(struct seg_resource), 4096 },
	[SEG_LOCKS] = { sizeof(struct seg_lock), SEGMENT_LOCKS },
	[SEG_HANDLERS] = { sizeof(struct seg_handler), 256 },
	[SEG_FINDINGS] = { sizeof(struct seg_finding), 256 },
	[SEG_STACKS] = { sizeof(struct seg_stack), 4096 },
	[SEG_PCS] = { sizeof(uint64_t), 65536 },
	[SEG_MODULES] = { sizeof(struct seg_module), 512 },
	[SEG_EVENTS] = { sizeof(struct seg_event), 256 },
	[SEG_STRINGS] = { 1, 512 * 1024 },
	[SEG_SLICES] = { 1, 4 * 1024 * 1024 },
	[SEG_EDGES] = { sizeof(struct seg_edge), 4096 },
	[SEG_INTERRUPTIONS] = { sizeof(struct seg_interruption), 128 },
	[SEG_HOLDINGS] = { sizeof(struct seg_holding), 4096 },
	[SEG_LISTS] = { sizeof(struct seg_holds), 1024 },
	[SEG_LOST] = { sizeof(struct seg_lost), 256 },
	[SEG_USES] = { sizeof(struct seg_use), 256 },
};

static struct {
	uint64_t size;
	bool grows;
	_Atomic uint64_t resident[SEGMENT_MAX_PAGES / 64];
} pages;

struct seg_table segment_tables[SEG_TABLE_IDS];

uint64_t segment_lay_out(void)
{
	uint64_t at = sizeof(struct seg_header);

	for (int i = 0; i < SEG_TABLE_IDS; i++) {
		uint64_t align = layout[i].record_size < SMALL_PAGE ? 64 : SMALL_PAGE;

		at = (at + align - 1) & ~(align - 1);
		segment_tables[i] = (struct seg_table){
			.offset = at,
			.record_size = layout[i].record_size,
			.capacity = layout[i].capacity,
		};
		at += (uint64_t)layout[i].record_size * layout[i].capacity;
	}
	segment_tables[SEG_STRINGS].used = 1; /* offset 0 is the empty string */
	pages.size = (at + 0xffff) & ~UINT64_C(0xffff);
	return pages.size <= SEGMENT_MAX_PAGES * SMALL_PAGE ? pages.size : 0;
}

static bool is_resident(uint64_t page)
{
	return atomic_load_explicit(&pages.resident[page / 64], memory_order_relaxed) >> page % 64 & 1;
}

static void set_resident(uint64_t page)
{
	atomic_fetch_or_explicit(&pages.resident[page / 64], UINT64_C(1) << page % 64,
				 memory_order_relaxed);
}

static bool have_page(struct seg_header *header, uint64_t page)
{
	uint64_t large = getauxval(AT_PAGESZ), at = page * SMALL_PAGE & ~(large - 1);

	if (!pages.grows || sys_madvise((char *)header + at, large, MADV_POPULATE_WRITE) < 0) {
		atomic_fetch_or((_Atomic uint32_t *)&header->limits, SEG_LIMIT_TMPFS_FULL);
		return false;
	}
	set_resident(page);
	return true;
}

bool segment_have_bytes(struct seg_header *header, uint64_t offset, uint64_t length)
{
	if (offset + length > pages.size)
		return false;
	for (uint64_t page = offset / SMALL_PAGE; page <= (offset + length - 1) / SMALL_PAGE; page++)
		if (shim_unlikely(!is_resident(page)) && !have_page(header, page))
			return false;
	return true;
}

/* What the creator made resident: the header, and without growth the start of each table. */
void segment_pages_reset(bool grows)
{
	for (size_t i = 0; i < SEGMENT_MAX_PAGES / 64; i++)
		atomic_store_explicit(&pages.resident[i], 0, memory_order_relaxed);
	pages.grows = grows;
	set_resident(0);
	for (int i = 0; i < SEG_TABLE_IDS && !grows; i++)
		for (uint64_t n = 0; n < SEGMENT_FIRST_BYTES; n += SMALL_PAGE)
			set_resident((segment_tables[i].offset + n) / SMALL_PAGE);
}
