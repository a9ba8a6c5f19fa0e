/*
 * The trampoline and the list of active handlers: see signal.h.
 *
 * A handler may be left by siglongjmp(), by an exception or by another way that we do not see. So a
 * frame is believed only as long as it lies above the stack pointer on the same stack, and every
 * look at the list forgets what does not. The calls of longjmp that we do see forget at once.
 */
#include <errno.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "preload/finding.h"
#include "preload/interruption.h"
#include "preload/lockset.h"
#include "preload/signal.h"
#include "preload/sys.h"
#include "preload/usage.h"

#define FRAMES 1024 /* more handlers at once than this run without us, and are counted */
#define NEAR 4096   /* bytes: no stack ends and another begins so close, there are guard pages */
#define RATE_LIMIT_NS 1000000 /* deliveries closer than this are counted, but are no events */

static struct {
	struct shim_frame frames[FRAMES];
	_Atomic uint64_t serials;
	_Atomic uint32_t hint;
} pool;

static _Atomic uint64_t *serial_of(struct shim_frame *frame)
{
	return (_Atomic uint64_t *)&frame->serial;
}

/* --- the pool -------------------------------------------------------------------------------- */

static struct shim_frame *take_free(void)
{
	uint32_t first = atomic_load_explicit(&pool.hint, memory_order_relaxed);

	for (uint32_t i = 0; i < FRAMES; i++) {
		struct shim_frame *frame = &pool.frames[(first + i) % FRAMES];
		uint64_t free_serial = 0;

		if (atomic_load_explicit(serial_of(frame), memory_order_relaxed))
			continue;
		if (!atomic_compare_exchange_strong(serial_of(frame), &free_serial,
						    atomic_fetch_add(&pool.serials, 1) + 1))
			continue;
		atomic_store_explicit(&pool.hint, (first + i) % FRAMES, memory_order_relaxed);
		return frame;
	}
	return NULL;
}

/* Frames of threads that ended after leaving a handler in a way that we did not see. */
static void reclaim(void)
{
	int pid = sys_getpid();

	for (uint32_t i = 0; i < FRAMES; i++) {
		uint64_t serial = atomic_load(serial_of(&pool.frames[i]));
		int tid = pool.frames[i].tid;

		if (serial && tid && sys3(SYS_tgkill, pid, tid, 0) < 0)
			atomic_compare_exchange_strong(serial_of(&pool.frames[i]), &serial, 0);
	}
}

static struct shim_frame *take(void)
{
	struct shim_frame *frame = take_free();

	if (shim_likely(frame))
		return frame;
	reclaim();
	return take_free();
}

/* --- which handlers are active --------------------------------------------------------------- */

static bool is_within(uintptr_t sp, uintptr_t low, uintptr_t high)
{
	return sp >= low && sp < high;
}

/*
 * Stacks grow down. On the alternate stack its bounds tell; elsewhere only the order does, and the
 * trampoline's return address, which stands between sp and the stack's end. It can be read, unless
 * sp is on a stack of which we know nothing.
 */
static bool is_active(const struct shim_frame *frame, uintptr_t sp)
{
	uintptr_t slot = frame->address + sizeof(uintptr_t);

	if (sp >= frame->address)
		return false;
	if (frame->on_alt)
		return sp >= frame->alt_low;
	if (is_within(sp, frame->alt_low, frame->alt_high))
		return false;
	return (slot - sp < NEAR || sys_is_readable(slot)) &&
	       *(uintptr_t *)slot == frame->return_address;
}

static void release(struct shim_frame *frame)
{
	shim_self.frame = frame->prev;
	atomic_store_explicit(serial_of(frame), 0, memory_order_release);
}

/* What the handler interrupted was left with it: brackets of ours that were open there are gone. */
static void abandon(struct shim_frame *frame)
{
	const struct shim_frame *outer = frame->prev;

	shim_abandon(frame->depth - (outer ? outer->depth : 0));
	release(frame);
	lockset_abandon(outer);
}

static bool prune(uintptr_t sp)
{
	struct shim_frame *before = shim_self.frame;

	while (shim_self.frame && !is_active(shim_self.frame, sp))
		abandon(shim_self.frame);
	return shim_self.frame != before;
}

/* --- the record of the thread ---------------------------------------------------------------- */

static void note_thread(void)
{
	struct seg_thread *thread = segment_record(SEG_THREADS, shim_self.thread);
	const struct shim_frame *frame = shim_self.frame;

	if (!thread)
		return;
	segment_open_record(&thread->seq);
	thread->handler_depth = frame ? frame->nesting : 0;
	thread->handler_signo = frame ? frame->disposition->signo : 0;
	while (frame && (!frame->finding || frame->finding_epoch != segment_epoch()))
		frame = frame->prev;
	thread->finding = frame ? frame->finding : 0;
	thread->call_since_ns = frame ? frame->call_since_ns : 0;
	segment_publish(&thread->seq);
}

struct shim_frame *trampoline_active(uintptr_t sp)
{
	int saved_errno;

	if (prune(sp) && shim_begin(&saved_errno)) {
		note_thread();
		shim_end(saved_errno);
	}
	return shim_self.frame;
}

uint32_t trampoline_left(uintptr_t sp)
{
	uint32_t left = 0;

	for (const struct shim_frame *f = shim_self.frame; f && !is_active(f, sp); f = f->prev)
		left++;
	return left;
}

void trampoline_note_call(struct shim_frame *frame, uint32_t finding, uint64_t now_ns)
{
	frame->call_since_ns = now_ns;
	frame->finding = finding;
	frame->finding_epoch = segment_epoch();
	note_thread();
}

/* --- entry ----------------------------------------------------------------------------------- */

static void find_stacks(struct shim_frame *frame, const ucontext_t *context)
{
	frame->alt_low = frame->alt_high = 0;
	if (!(context->uc_stack.ss_flags & SS_DISABLE) && context->uc_stack.ss_size) {
		frame->alt_low = (uintptr_t)context->uc_stack.ss_sp;
		frame->alt_high = frame->alt_low + context->uc_stack.ss_size;
	}
	frame->on_alt = is_within(frame->address, frame->alt_low, frame->alt_high);
}

__attribute__((noinline)) static struct shim_frame *
push(const struct disposition *d, ucontext_t *context, uintptr_t address, uintptr_t return_address)
{
	struct shim_frame *frame;

	prune(arch_context_sp(context));
	frame = take();
	if (!frame)
		return NULL;
	frame->disposition = d;
	frame->context = context;
	frame->address = address;
	frame->return_address = return_address;
	frame->interrupted_sp = arch_context_sp(context);
	frame->interrupted_pc = arch_context_pc(context);
	find_stacks(frame, context);
	frame->depth = shim_self.depth;
	if (shim_unlikely(!shim_self.tid || segment_is_pending()))
		shim_self.tid = sys_gettid(); /* a new thread, or the copy of its parent's */
	frame->tid = shim_self.tid;
	frame->finding = 0;
	frame->is_described = false;
	frame->has_acted = false;
	frame->safe_calls = 0;
	frame->held_count = 0;
	frame->is_allocator_known = false;
	frame->record = 0;
	frame->epoch = 0;
	frame->logged = false;
	frame->prev = shim_self.frame;
	frame->nesting = frame->prev ? frame->prev->nesting + 1 : 1;
	frame->errno_before = errno;
	/* A signal between these lines would find the list whole, with or without us. */
	atomic_signal_fence(memory_order_release);
	shim_self.frame = frame;
	return frame;
}

static void add(uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit((_Atomic uint64_t *)counter, n, memory_order_relaxed);
}

static void raise_to(uint64_t *maximum, uint64_t value)
{
	_Atomic uint64_t *at = (_Atomic uint64_t *)maximum;
	uint64_t seen = atomic_load_explicit(at, memory_order_relaxed);

	while (seen < value && !atomic_compare_exchange_weak(at, &seen, value))
		;
}

/* setitimer() and alarm() have no code of their own. */
static bool is_timer(const siginfo_t *info)
{
	return info->si_code == SI_TIMER ||
	       (info->si_code == SI_KERNEL &&
		(info->si_signo == SIGALRM || info->si_signo == SIGVTALRM || info->si_signo == SIGPROF));
}

static void count_delivery(struct seg_handler *record, const siginfo_t *info, uint64_t now)
{
	add(&record->deliveries, 1);
	if (is_timer(info)) {
		add(&record->by_timer, 1);
	} else if (info->si_code <= 0) {
		add(&record->by_user, 1);
		record->last_sender = info->si_pid;
	} else {
		add(&record->by_kernel, 1);
	}
	if (!record->first_ns)
		record->first_ns = now;
	record->last_ns = now;
}

/* There is no frame to be had: the handler runs, and what it calls is not seen. */
__attribute__((noinline)) static void record_unseen(const struct disposition *d,
						    const siginfo_t *info)
{
	struct seg_handler *record = segment_record(SEG_HANDLERS, signal_record(d));
	struct seg_header *header = segment_get();

	atomic_fetch_add((_Atomic uint32_t *)&header->lost_busy, 1);
	add(&header->deliveries, 1);
	if (record)
		count_delivery(record, info, shim_now_ns());
}

__attribute__((noinline)) static void record_entry(struct shim_frame *frame, const siginfo_t *info)
{
	struct seg_handler *record;
	uint64_t now, before;

	frame->record = signal_record(frame->disposition);
	frame->epoch = segment_epoch();
	frame->entered_ns = now = shim_now_ns();
	add(&segment_get()->deliveries, 1);
	note_thread();
	record = segment_record(SEG_HANDLERS, frame->record);
	if (!record)
		return;
	before = record->last_ns;
	count_delivery(record, info, now);
	if (frame->nesting > record->max_depth)
		record->max_depth = frame->nesting;
	if (shim_unlikely(lockset_has_posix() || lockset_has_ofd()))
		usage_interrupted(frame, now);
	frame->logged = now - before > RATE_LIMIT_NS;
	if (frame->logged)
		segment_event_at(
			now, &(struct segment_event){.kind = SEG_EV_SIGNAL,
						     .aux = info->si_code <= 0 ? info->si_pid : 0,
						     .value = frame->record});
	if (frame->disposition->flags & (int)SA_RESETHAND)
		signal_was_reset(frame->disposition);
}

/* --- return ---------------------------------------------------------------------------------- */

/* What the handler set is looked at by who was interrupted, or not: the collector tells. */
static void note_elsewhere(struct seg_handler *record, uint64_t now)
{
	record->returned_sleeps = interruption_sleeps();
	record->returned_tid = shim_self.tid;
	__atomic_store_n(&record->returned_ns, now, __ATOMIC_RELEASE);
}

static void record_return(const struct shim_frame *frame, int errno_after)
{
	struct seg_handler *record;
	uint64_t now, spent;
	uint32_t index;

	note_thread();
	/* Not frame->record: the handler may have forked, and this be the child. */
	index = signal_record(frame->disposition);
	record = segment_record(SEG_HANDLERS, index);
	if (!record)
		return;
	now = shim_now_ns();
	if (!interruption_record(frame, index, now) && frame->logged && !frame->has_acted)
		note_elsewhere(record, now);
	if (frame->has_acted)
		add(&record->acted, 1);
	spent = now - frame->entered_ns;
	if (frame->record) {
		add(&record->total_ns, spent);
		raise_to(&record->max_ns, spent);
	}
	if (errno_after != frame->errno_before) {
		if (!record->errno_clobbered) {
			record->errno_before = (uint32_t)frame->errno_before;
			record->errno_after = (uint32_t)errno_after;
		}
		add(&record->errno_clobbered, 1);
	}
	if (frame->logged)
		segment_event_at(now,
				 &(struct segment_event){.kind = SEG_EV_RETURN, .value = index});
}

/* Is the frame still this trampoline's, that is: was it never taken for one that was left? */
static bool is_listed(const struct shim_frame *frame, uint64_t serial)
{
	if (frame->serial != serial)
		return false;
	for (const struct shim_frame *f = shim_self.frame; f; f = f->prev)
		if (f == frame)
			return true;
	return false;
}

__attribute__((noinline)) static void pop(struct shim_frame *frame, uint64_t serial)
{
	int saved_errno;
	struct shim_frame copy;

	if (!is_listed(frame, serial))
		return;
	while (shim_self.frame != frame)
		abandon(shim_self.frame);
	copy = *frame;
	release(frame);
	if (shim_begin(&saved_errno)) {
		record_return(&copy, saved_errno);
		shim_end(saved_errno);
	}
}

void signal_trampoline(int signo, siginfo_t *info, void *context)
{
	const struct disposition *d = signal_disposition(signo);
	void (*handler)(int, siginfo_t *, void *) = (void (*)(int, siginfo_t *, void *))d->handler;
	struct shim_frame *frame = NULL;
	uint64_t serial;
	int saved_errno;

	if (shim_likely(!shim_is_off()))
		frame = push(d, context, (uintptr_t)__builtin_frame_address(0),
			     (uintptr_t)__builtin_return_address(0));
	serial = frame ? frame->serial : 0;
	if (shim_begin(&saved_errno)) {
		if (frame)
			record_entry(frame, info);
		else
			record_unseen(d, info);
		shim_end(saved_errno);
	}
	handler(signo, info, context);
	if (frame)
		pop(frame, serial);
}
