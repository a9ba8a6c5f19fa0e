/*
 * See interruption.h. A blocked call that SA_RESTART repeats cannot be told from one that was about
 * to be made when the signal came: for the program it is the same, it blocks after its handler ran.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "preload/call_limit.h"
#include "preload/interruption.h"
#include "preload/stack.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#define CALL_NUMBERS 1024 /* all system calls are below */
#define PAGE_BYTES 4096    /* or more: a page of 4 KiB lies in one page of any size */

/* A few bytes of code, which may be execute-only. Mostly on one page: each look is a system call. */
static bool is_readable(uintptr_t first, uintptr_t last)
{
	return sys_is_readable(first) &&
	       (first / PAGE_BYTES == last / PAGE_BYTES || sys_is_readable(last));
}

/* The code is looked at only where a call is possible. */
static bool find_call(const ucontext_t *context, struct arch_call *call)
{
	long number = arch_context_call_number(context);
	uintptr_t pc = arch_context_pc(context);

	return number >= 0 && number < CALL_NUMBERS && is_readable(pc, pc + ARCH_CALL_BYTES - 1) &&
	       arch_context_call(context, call);
}

static bool find_ended_call(const ucontext_t *context, struct arch_call *call)
{
	uintptr_t pc = arch_context_pc(context);

	return arch_context_result(context) == -EINTR &&
	       is_readable(pc - ARCH_CALL_BYTES - ARCH_CALL_REACH, pc - 1) &&
	       arch_context_ended_call(context, call) && call->number < CALL_NUMBERS;
}

/*
 * The mask that the handler's return puts back has the signal: it was blocked, and the call let it in
 * (the kernel saves the mask outside of such a call).
 */
static bool is_let_in(const struct shim_frame *frame)
{
	const ucontext_t *context = frame->context;

	return sigismember(&context->uc_sigmask, frame->disposition->signo) == 1;
}

static uint32_t find_record(uint32_t handler, const struct arch_call *call)
{
	uint32_t used = segment_get()->tables[SEG_INTERRUPTIONS].used;
	const struct seg_interruption *record;

	for (uint32_t i = 1; i <= used && (record = segment_record(SEG_INTERRUPTIONS, i)); i++)
		if (record->handler == handler && record->pc == call->pc &&
		    record->syscall == call->number)
			return i;
	return 0;
}

static uint32_t capture(const ucontext_t *context, uintptr_t pc)
{
	struct unwind_start start = {
		.pc = arch_context_pc(context),
		.sp = arch_context_sp(context),
		.fp = arch_context_fp(context),
	};
	/* The call's instruction is inside its function, so it may stand among return addresses. */
	uint64_t pcs[STACK_MAX_FRAMES] = {pc};

	module_note(start.pc);
	return stack_intern(pcs, 1 + unwind_from(&start, pcs + 1, STACK_MAX_FRAMES - 1, NULL));
}

static void count(uint64_t *all, uint64_t *acted, const struct shim_frame *frame)
{
	atomic_fetch_add((_Atomic uint64_t *)all, 1);
	if (frame->has_acted)
		atomic_fetch_add((_Atomic uint64_t *)acted, 1);
}

uint64_t interruption_sleeps(void)
{
	struct rusage usage;

	return sys2(SYS_getrusage, RUSAGE_THREAD, &usage) < 0 ? 0 : (uint64_t)usage.ru_nvcsw;
}

/*
 * An earlier handler left this thread to the same call, and it has slept once since: there. (If the call came
 * back at once, and the program made it again, that counts as one wait.)
 */
static void note_wait(const struct shim_frame *frame, const struct arch_call *call, uint64_t sleeps)
{
	uint32_t used = segment_get()->tables[SEG_INTERRUPTIONS].used, thread = segment_thread();
	struct seg_interruption *r;

	for (uint32_t i = 1; i <= used && (r = segment_record(SEG_INTERRUPTIONS, i)); i++) {
		if (r->pc != call->pc || r->thread != thread || !r->count ||
		    r->sleeps + 1 != sleeps || frame->entered_ns < r->last_ns + r->waited_ns)
			continue;
		segment_open_record(&r->seq);
		r->waited_ns = frame->entered_ns - r->last_ns;
		segment_publish(&r->seq);
	}
}

/* The record of this call, opened; NULL if there is no room. */
static struct seg_interruption *open_record(const struct shim_frame *frame, uint32_t handler,
					    const struct arch_call *call, uint64_t now_ns)
{
	uint32_t index = find_record(handler, call);
	struct seg_interruption *record;

	if (index) {
		record = segment_record(SEG_INTERRUPTIONS, index);
		segment_open_record(&record->seq);
		return record;
	}
	if (!segment_append(SEG_INTERRUPTIONS, (void **)&record))
		return NULL;
	record->handler = handler;
	record->syscall = call->number;
	record->pc = call->pc;
	record->stack = capture(frame->context, call->pc);
	record->thread = segment_thread();
	record->first_ns = now_ns;
	return record;
}

bool interruption_record(const struct shim_frame *frame, uint32_t handler, uint64_t now_ns)
{
	struct seg_interruption *record;
	struct arch_call call;
	uint64_t limit_ns, sleeps;
	bool is_repeated;

	if (!handler || is_let_in(frame))
		return true;
	is_repeated = find_call(frame->context, &call);
	if (!is_repeated && !find_ended_call(frame->context, &call))
		return false;
	sleeps = interruption_sleeps();
	note_wait(frame, &call, sleeps);
	record = open_record(frame, handler, &call, now_ns);
	if (!record)
		return true;
	if (is_repeated || !record->count) {
		record->args[0] = call.args[0];
		record->args[1] = call.args[1];
		record->thread = segment_thread();
	}
	if (is_repeated)
		record->sleeps = sleeps;
	*(is_repeated ? &record->last_ns : &record->ended_ns) = now_ns;
	limit_ns = call_limit_ns(&call);
	if (limit_ns > record->limit_ns)
		record->limit_ns = limit_ns;
	segment_publish(&record->seq);
	if (is_repeated)
		count(&record->count, &record->acted, frame);
	else
		count(&record->ended, &record->ended_acted, frame);
	return true;
}
