/*
 * The segment of this process: how it comes into being, and the bracket around all recording.
 * Lock-free; a handler that interrupts any of these functions may call any of them.
 *
 * Which segment is ours is told by a page of memory that the kernel wipes in every child that does
 * not share our memory (MADV_WIPEONFORK): there the pointer reads NULL, however the child was made.
 * The child puts its own segment at the same address, over the parent's mapping, so that nothing
 * that was interrupted by the fork can write to the parent's any more.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/auxv.h>

#include "preload/hold.h"
#include "preload/latch.h"
#include "preload/process.h"
#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"

#define SPIN_LIMIT 20000

enum anchor_state { ANCHOR_NONE, ANCHOR_CREATING, ANCHOR_READY, ANCHOR_FAILED };

/* Lies in a page of its own, all zero in a new child. */
struct anchor {
	_Atomic(struct seg_header *) segment;
	_Atomic uint32_t state;
	_Atomic int32_t inside; /* brackets that are open now; counted in a late shim only */
};

static struct {
	struct anchor *anchor;
	void *base;      /* where the segment of this process or an ancestor is mapped */
	uint64_t size;
	uint64_t epochs; /* segments that this process and its ancestors created */
	bool is_late;    /* opened by a running program: recording may end and begin again */
	bool is_wiped;   /* the kernel wipes the anchor in children */
	bool is_next;    /* the segment being made follows one of the same process */
	int error;       /* of the last creation that failed */
} own;

__thread struct shim_self shim_self;
struct seg_header *volatile *segment_word;

_Atomic uint32_t shim_aside;

/* --- creation ------------------------------------------------------------------------------- */

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
		own.size = segment_lay_out();
	own.error = own.size ? segment_file_create(&file, segment_tables, own.size) : -ENOMEM;
	if (own.error < 0)
		return NULL;
	segment_pages_reset(file.grows);
	own.epochs++;
	process_segment_created(file.header, own.is_next ? NULL : parent);
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
	own.is_wiped = sys_madvise(page, size, MADV_WIPEONFORK) == 0;
	own.anchor = page;
	segment_word = (struct seg_header *volatile *)&own.anchor->segment;
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

/*
 * A handler that interrupted the creator does not wait for it: a timer that is shorter than the wait
 * would keep the creator for ever.
 */
static struct seg_header *attach(void)
{
	uint32_t state = ANCHOR_NONE;
	struct seg_header *header;
	struct anchor *anchor;

	if (!have_anchor())
		return NULL;
	anchor = own.anchor;
	if (shim_self.in_creation && atomic_load(&anchor->state) == ANCHOR_CREATING)
		return NULL;
	/* Before the state says so, for the handlers in between. */
	shim_self.in_creation = 1;
	hold_forget(); /* the parent's */
	if (!atomic_compare_exchange_strong(&anchor->state, &state, ANCHOR_CREATING)) {
		shim_self.in_creation = 0;
		return await(anchor); /* NULL where it failed */
	}
	header = create();
	atomic_store_explicit(&anchor->segment, header, memory_order_release);
	atomic_store_explicit(&anchor->state, header ? ANCHOR_READY : ANCHOR_FAILED,
			      memory_order_release);
	shim_self.in_creation = 0;
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

static void forget(void)
{
	atomic_store(&own.anchor->segment, NULL);
	atomic_store(&own.anchor->state, ANCHOR_NONE);
}

/*
 * What the kernel wiped needs no help; and a late shim's atfork handler comes after the program's, which
 * may have recorded something already.
 */
void segment_forget(void)
{
	if (!own.anchor)
		return;
	if (!own.is_wiped)
		forget();
	atomic_store(&own.anchor->inside, (int32_t)shim_self.depth);
}

/* --- images of a late shim ------------------------------------------------------------------ */

void segment_set_late(void)
{
	own.is_late = true;
	atomic_fetch_or(&shim_aside, SHIM_ASIDE_DETACHED);
}

bool segment_is_quiet(void)
{
	return !own.anchor || atomic_load(&own.anchor->inside) <= 0;
}

int segment_next_image(void)
{
	struct seg_header *header;

	if (!have_anchor())
		return -ENOMEM;
	forget();
	own.is_next = true;
	header = attach();
	own.is_next = false;
	return header ? 0 : own.error;
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
	if (shim_unlikely(header->tables[SEG_THREADS].used == segment_tables[SEG_THREADS].capacity))
		index = recycle_thread(header, &thread);
	if (!index)
		index = segment_append(SEG_THREADS, (void **)&thread);
	if (index) {
		thread->tid = shim_self.tid;
		thread->first_ns = shim_now_ns();
		segment_publish(&thread->seq);
	}
	shim_self.thread = index;
	hold_forget();
	shim_self.epoch = own.epochs;
}

/*
 * Counted, so that who takes the recorder off knows when nobody uses the segment any more: either we see
 * that it stands aside, or it sees us.
 */
static bool enter(void)
{
	atomic_fetch_add(&own.anchor->inside, 1);
	if (shim_likely(!atomic_load(&shim_aside)))
		return true;
	atomic_fetch_sub(&own.anchor->inside, 1);
	return false;
}

static void leave(void)
{
	if (shim_unlikely(own.is_late))
		atomic_fetch_sub(&own.anchor->inside, 1);
}

bool segment_is_late(void)
{
	return own.is_late;
}

bool segment_enter(void)
{
	return shim_likely(!own.is_late) || enter();
}

void segment_leave(void)
{
	leave();
}

bool shim_begin(int *saved_errno)
{
	if (shim_is_off())
		return false;
	if (shim_unlikely(own.is_late) && !enter())
		return false;
	*saved_errno = errno;
	if (shim_unlikely(!segment_get())) {
		process_early_init();
		if (!attach()) {
			leave();
			errno = *saved_errno;
			return false;
		}
	}
	shim_self.depth++;
	if (shim_unlikely(shim_self.is_loading))
		latch_follow();
	if (shim_unlikely(shim_self.epoch != own.epochs))
		register_thread();
	if (shim_unlikely(segment_get()->state == SEG_EXECED))
		process_exec_failed(-1);
	return true;
}

void shim_end(int saved_errno)
{
	shim_self.depth--;
	leave();
	errno = saved_errno;
}

void shim_abandon(uint32_t brackets)
{
	shim_self.depth -= brackets;
	if (shim_unlikely(own.is_late))
		atomic_fetch_sub(&own.anchor->inside, (int32_t)brackets);
}

uint64_t segment_epoch(void)
{
	return segment_get() ? own.epochs : 0;
}

uint32_t segment_thread(void)
{
	return shim_self.thread;
}
