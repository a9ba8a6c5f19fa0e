/*
 * The segment of this process: its pages, tables and records. Lock-free; a handler that
 * interrupts any of these functions may call any of them.
 *
 * Which segment is ours is told by a page of memory that the kernel wipes in every child that does
 * not share our memory (MADV_WIPEONFORK): there the pointer reads NULL, however the child was made.
 * The child puts its own segment at the same address, over the parent's mapping, so that nothing
 * that was interrupted by the fork can write to the parent's any more.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

#include "preload/process.h"
#include "preload/real.h"
#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define SMALL_PAGE 4096
#define SPIN_LIMIT 20000

enum anchor_state { ANCHOR_NONE, ANCHOR_CREATING, ANCHOR_READY, ANCHOR_FAILED };

/* Lies in a page of its own, all zero in a new child. */
struct anchor {
	_Atomic(struct seg_header *) segment;
	_Atomic uint32_t state;
};

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
	[SEG_EDGES] = { 0, 0 },
};

#define SEGMENT_MAX_PAGES 2048 /* of 4 KiB: 8 MiB */

static struct {
	struct anchor *anchor;
	void *base;           /* where the segment of this process or an ancestor is mapped */
	uint64_t size;
	uint64_t epochs;      /* segments that this process and its ancestors created */
	struct seg_table tables[SEG_TABLE_IDS];
	bool grows;
	_Atomic uint64_t last_ns; /* of the fine clock */
	_Atomic uint64_t resident[SEGMENT_MAX_PAGES / 64];
} own;

__thread struct shim_self shim_self;

bool shim_no_counter, shim_sealed;

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now = { 0 };

	if (real_ready && !shim_no_counter)
		real_functions.clock_gettime(clock, &now);
	else
		sys2(SYS_clock_gettime, clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t shim_now_ns(void)
{
	uint64_t now = read_clock(CLOCK_MONOTONIC);

	atomic_store_explicit(&own.last_ns, now, memory_order_relaxed);
	return now;
}

uint64_t shim_coarse_ns(void)
{
	uint64_t now = read_clock(CLOCK_MONOTONIC_COARSE);
	uint64_t last = atomic_load_explicit(&own.last_ns, memory_order_relaxed);

	return now > last ? now : last;
}

/* --- pages ---------------------------------------------------------------------------------- */

static bool is_resident(uint64_t page)
{
	return atomic_load_explicit(&own.resident[page / 64], memory_order_relaxed) >> page % 64 & 1;
}

static void set_resident(uint64_t page)
{
	atomic_fetch_or_explicit(&own.resident[page / 64], UINT64_C(1) << page % 64,
				 memory_order_relaxed);
}

/*
 * Makes the bytes writable without a fault: on a full tmpfs a fault would be SIGBUS. False when
 * the page could not be had.
 */
static bool have_bytes(struct seg_header *header, uint64_t offset, uint64_t length)
{
	uint64_t large = getauxval(AT_PAGESZ);

	if (offset + length > own.size)
		return false;
	for (uint64_t page = offset / SMALL_PAGE; page <= (offset + length - 1) / SMALL_PAGE; page++) {
		uint64_t at = page * SMALL_PAGE & ~(large - 1);

		if (shim_likely(is_resident(page)))
			continue;
		if (!own.grows ||
		    sys_madvise((char *)header + at, large, MADV_POPULATE_WRITE) < 0) {
			atomic_fetch_or((_Atomic uint32_t *)&header->limits, SEG_LIMIT_TMPFS_FULL);
			return false;
		}
		set_resident(page);
	}
	return true;
}

/* --- creation ------------------------------------------------------------------------------- */

static void lay_out(void)
{
	uint64_t at = sizeof(struct seg_header);

	for (int i = 0; i < SEG_TABLE_IDS; i++) {
		at = (at + 63) & ~UINT64_C(63);
		own.tables[i] = (struct seg_table){
			.offset = at,
			.record_size = layout[i].record_size,
			.capacity = layout[i].capacity,
		};
		at += (uint64_t)layout[i].record_size * layout[i].capacity;
	}
	own.tables[SEG_STRINGS].used = 1; /* offset 0 is the empty string */
	own.size = (at + 0xffff) & ~UINT64_C(0xffff);
}

/* What the creator made resident: the header, and without growth the start of each table. */
static void reset_resident(bool grows)
{
	for (size_t i = 0; i < SEGMENT_MAX_PAGES / 64; i++)
		atomic_store_explicit(&own.resident[i], 0, memory_order_relaxed);
	own.grows = grows;
	set_resident(0);
	for (int i = 0; i < SEG_TABLE_IDS && !grows; i++)
		for (uint64_t n = 0; n < SEGMENT_FIRST_BYTES; n += SMALL_PAGE)
			set_resident((own.tables[i].offset + n) / SMALL_PAGE);
}

/* Puts the new mapping where the parent's is. */
static struct seg_header *settle(struct seg_header *fresh)
{
	long ret;

	if (!own.base) {
		own.base = fresh;
		return fresh;
	}
	ret = sys5(SYS_mremap, fresh, own.size, own.size, MREMAP_MAYMOVE | MREMAP_FIXED, own.base);
	if (ret < 0 && ret > -4096)
		own.base = fresh;
	return own.base;
}

static struct seg_header *create(void)
{
	struct seg_header *parent = own.base, *header;
	struct segment_file file;

	if (!own.size)
		lay_out();
	if (segment_file_create(&file, own.tables, own.size) < 0)
		return NULL;
	reset_resident(file.grows);
	own.epochs++;
	process_segment_created(file.header, parent);
	header = settle(file.header);
	atomic_store_explicit((_Atomic uint64_t *)&header->magic, SEG_MAGIC, memory_order_release);
	return header;
}

/*
 * Without the page (no memory, or a kernel before 4.14) the fork wrappers forget the segment in
 * the child, see segment_forget().
 */
static bool have_anchor(void)
{
	size_t size = getauxval(AT_PAGESZ);
	void *page;

	if (own.anchor)
		return true;
	page = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (!page)
		return false;
	sys_madvise(page, size, MADV_WIPEONFORK);
	own.anchor = page;
	return true;
}

/* A second thread that meets the creator waits for it, but not for long. */
static struct seg_header *await(struct anchor *anchor)
{
	for (int i = 0; i < SPIN_LIMIT; i++) {
		if (atomic_load_explicit(&anchor->state, memory_order_acquire) != ANCHOR_CREATING)
			break;
		arch_pause();
	}
	return atomic_load_explicit(&anchor->segment, memory_order_acquire);
}

static struct seg_header *attach(void)
{
	uint32_t state = ANCHOR_NONE;
	struct seg_header *header;
	struct anchor *anchor;

	if (!have_anchor())
		return NULL;
	anchor = own.anchor;
	if (!atomic_compare_exchange_strong(&anchor->state, &state, ANCHOR_CREATING))
		return state == ANCHOR_CREATING ? await(anchor) : NULL;
	header = create();
	atomic_store_explicit(&anchor->segment, header, memory_order_release);
	atomic_store_explicit(&anchor->state, header ? ANCHOR_READY : ANCHOR_FAILED,
			      memory_order_release);
	return header;
}

struct seg_header *segment_get(void)
{
	if (shim_unlikely(!own.anchor))
		return NULL;
	return atomic_load_explicit(&own.anchor->segment, memory_order_acquire);
}

bool segment_is_pending(void)
{
	return own.base && !segment_get();
}

void segment_forget(void)
{
	if (!own.anchor)
		return;
	atomic_store(&own.anchor->segment, NULL);
	atomic_store(&own.anchor->state, ANCHOR_NONE);
}

/* --- the bracket ---------------------------------------------------------------------------- */

#define RECYCLE_TRIES 64

/* The record of a thread that has ended, claimed by its tid. Only when the table is full. */
static uint32_t recycle_thread(struct seg_header *header, struct seg_thread **thread)
{
	static _Atomic uint32_t hand;

	for (int n = 0; n < RECYCLE_TRIES; n++) {
		uint32_t index = atomic_fetch_add(&hand, 1) % header->tables[SEG_THREADS].used + 1;
		int32_t old;

		*thread = segment_record(SEG_THREADS, index);
		old = (*thread)->tid;
		if (sys3(SYS_tgkill, header->pid, old, 0) != -ESRCH ||
		    !atomic_compare_exchange_strong((_Atomic int32_t *)&(*thread)->tid, &old,
						    shim_self.tid))
			continue;
		segment_open_record(&(*thread)->seq);
		(*thread)->handler_depth = 0;
		(*thread)->handler_signo = 0;
		(*thread)->finding = 0;
		(*thread)->wait = 0;
		return index;
	}
	return 0;
}

/* A handler may interrupt this and register the thread first: then its record is the one. */
static void register_thread(void)
{
	struct seg_header *header = segment_get();
	struct seg_thread *thread;
	uint32_t index = 0;

	shim_self.tid = sys_gettid();
	if (shim_unlikely(header->tables[SEG_THREADS].used == own.tables[SEG_THREADS].capacity))
		index = recycle_thread(header, &thread);
	if (!index)
		index = segment_append(SEG_THREADS, (void **)&thread);
	if (index) {
		thread->tid = shim_self.tid;
		thread->first_ns = shim_now_ns();
		segment_publish(&thread->seq);
	}
	shim_self.thread = index;
	shim_self.epoch = own.epochs;
}

bool shim_begin(int *saved_errno)
{
	if (shim_unlikely(shim_self.in_vfork || shim_sealed))
		return false;
	*saved_errno = errno;
	if (shim_unlikely(!segment_get())) {
		process_early_init();
		if (!attach()) {
			errno = *saved_errno;
			return false;
		}
	}
	shim_self.depth++;
	if (shim_unlikely(shim_self.epoch != own.epochs))
		register_thread();
	if (shim_unlikely(segment_get()->state == SEG_EXECED))
		process_exec_failed(-1);
	return true;
}

void shim_end(int saved_errno)
{
	shim_self.depth--;
	errno = saved_errno;
}

uint64_t segment_epoch(void)
{
	return segment_get() ? own.epochs : 0;
}

/* --- records -------------------------------------------------------------------------------- */

static void count_dropped(struct seg_header *header, enum seg_table_id id)
{
	atomic_fetch_add_explicit((_Atomic uint32_t *)&header->tables[id].dropped, 1,
				  memory_order_relaxed);
}

/* `count` records in a row: the 0-based number of the first, or -1. */
static int64_t reserve(struct seg_header *header, enum seg_table_id id, uint32_t count)
{
	_Atomic uint32_t *used = (_Atomic uint32_t *)&header->tables[id].used;
	const struct seg_table *table = &own.tables[id];
	uint32_t first = atomic_load_explicit(used, memory_order_relaxed);

	do {
		if (count > table->capacity - first ||
		    !have_bytes(header, table->offset + (uint64_t)first * table->record_size,
				(uint64_t)count * table->record_size)) {
			count_dropped(header, id);
			return -1;
		}
	} while (!atomic_compare_exchange_weak(used, &first, first + count));
	return first;
}

static void *record_at(struct seg_header *header, enum seg_table_id id, uint64_t number)
{
	return (char *)header + own.tables[id].offset + number * own.tables[id].record_size;
}

uint32_t segment_append_to(struct seg_header *header, enum seg_table_id id, void **record)
{
	int64_t number = reserve(header, id, 1);

	if (number < 0)
		return 0;
	*record = record_at(header, id, (uint64_t)number);
	segment_open_record(*record);
	return (uint32_t)number + 1;
}

uint32_t segment_append(enum seg_table_id id, void **record)
{
	struct seg_header *header = segment_get();

	return header ? segment_append_to(header, id, record) : 0;
}

void *segment_record_of(struct seg_header *header, enum seg_table_id id, uint32_t index)
{
	if (!header || !index || index > header->tables[id].used)
		return NULL;
	return record_at(header, id, index - 1);
}

void *segment_record(enum seg_table_id id, uint32_t index)
{
	return segment_record_of(segment_get(), id, index);
}

void segment_open_record(uint32_t *seq)
{
	atomic_store_explicit((_Atomic uint32_t *)seq, *seq | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

void segment_publish(uint32_t *seq)
{
	atomic_store_explicit((_Atomic uint32_t *)seq, (*seq | 1) + 1, memory_order_release);
}

int64_t segment_reserve(struct seg_header *header, enum seg_table_id id, uint32_t count,
			void **first)
{
	int64_t number = reserve(header, id, count);

	if (number >= 0)
		*first = record_at(header, id, (uint64_t)number);
	return number;
}

uint32_t segment_string_to(struct seg_header *header, const char *text)
{
	uint32_t length = (uint32_t)strlen(text) + 1;
	int64_t offset;
	void *at;

	if (length == 1)
		return 0;
	offset = segment_reserve(header, SEG_STRINGS, length, &at);
	if (offset < 0)
		return 0;
	memcpy(at, text, length);
	return (uint32_t)offset;
}

const char *segment_text_of(struct seg_header *header, uint32_t offset)
{
	if (!header || offset >= header->tables[SEG_STRINGS].used)
		return "";
	return record_at(header, SEG_STRINGS, offset);
}

const char *segment_text(uint32_t offset)
{
	return segment_text_of(segment_get(), offset);
}

uint32_t segment_string(const char *text)
{
	struct seg_header *header = segment_get();

	return header ? segment_string_to(header, text) : 0;
}

/* A reader of the old string may see a mixture; its record is torn for it as well. */
uint32_t segment_string_again(uint32_t old, uint32_t *room, const char *text)
{
	uint32_t length = (uint32_t)strlen(text) + 1;

	if (!old || length > *room) {
		*room = length;
		return segment_string(text);
	}
	memcpy(record_at(segment_get(), SEG_STRINGS, old), text, length);
	return old;
}

void *segment_slice_reserve(uint32_t length, uint32_t *offset)
{
	struct seg_header *header = segment_get();
	void *at;
	int64_t number = header ? segment_reserve(header, SEG_SLICES, length, &at) : -1;

	if (number < 0)
		return NULL;
	*offset = (uint32_t)number;
	return at;
}

/* --- events, limits, threads ---------------------------------------------------------------- */

void segment_event_at(uint64_t ns, const struct segment_event *what)
{
	struct seg_header *header = segment_get();
	struct seg_event *event;
	uint64_t number;

	if (!header)
		return;
	number = atomic_fetch_add_explicit((_Atomic uint64_t *)&header->events_written, 1,
					   memory_order_relaxed);
	event = record_at(header, SEG_EVENTS, number % own.tables[SEG_EVENTS].capacity);
	if (!have_bytes(header, (uint64_t)((char *)event - (char *)header), sizeof(*event)))
		return;
	atomic_store_explicit((_Atomic uint32_t *)&event->seq, (uint32_t)(2 * (number + 1)) | 1,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	event->kind = (uint16_t)what->kind;
	event->mode = what->mode;
	event->tid = shim_self.tid;
	event->aux = what->aux;
	event->ns = ns;
	event->value = what->value;
	event->start = what->start;
	atomic_store_explicit((_Atomic uint32_t *)&event->seq, (uint32_t)(2 * (number + 1)),
			      memory_order_release);
}

void segment_event(enum seg_event_kind kind, uint16_t mode, int32_t aux, uint64_t value,
		   uint64_t start)
{
	segment_event_at(shim_now_ns(), &(struct segment_event){ kind, mode, aux, value, start });
}

void segment_limit(enum seg_limit limit)
{
	struct seg_header *header = segment_get();

	if (header)
		atomic_fetch_or((_Atomic uint32_t *)&header->limits, (uint32_t)limit);
}

uint32_t segment_thread(void)
{
	return shim_self.thread;
}
