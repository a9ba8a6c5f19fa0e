/*
 * See interruption.h. A blocked call that SA_RESTART repeats cannot be told from one that was about
 * to be made when the signal came: for the program it is the same, it blocks after its handler ran.
 */
#include <stdatomic.h>

#include "preload/interruption.h"
#include "preload/stack.h"
#include "preload/sys.h"
#include "preload/unwind.h"

#define CALL_NUMBERS 1024 /* all system calls are below */

/* The code is looked at only where a call is possible, and can be read (it may be execute-only). */
static bool find_call(const ucontext_t *context, struct arch_call *call)
{
	long number = arch_context_call_number(context);
	uintptr_t pc = arch_context_pc(context);

	return number >= 0 && number < CALL_NUMBERS && sys_is_readable(pc) &&
	       sys_is_readable(pc + ARCH_CALL_BYTES - 1) && arch_context_call(context, call);
}

static uint32_t find_record(uint32_t handler, const struct arch_call *call, uint64_t pc)
{
	uint32_t used = segment_get()->tables[SEG_INTERRUPTIONS].used;
	const struct seg_interruption *record;

	for (uint32_t i = 1; i <= used && (record = segment_record(SEG_INTERRUPTIONS, i)); i++)
		if (record->handler == handler && record->pc == pc &&
		    record->syscall == call->number)
			return i;
	return 0;
}

static uint32_t capture(const ucontext_t *context)
{
	struct unwind_start start = {
		.pc = arch_context_pc(context),
		.sp = arch_context_sp(context),
		.fp = arch_context_fp(context),
	};
	/* The call's instruction is inside its function, so it may stand among return addresses. */
	uint64_t pcs[STACK_MAX_FRAMES] = {start.pc};

	module_note(start.pc);
	return stack_intern(pcs, 1 + unwind_from(&start, pcs + 1, STACK_MAX_FRAMES - 1, NULL));
}

static void count(struct seg_interruption *record, const struct shim_frame *frame)
{
	atomic_fetch_add((_Atomic uint64_t *)&record->count, 1);
	if (frame->has_acted)
		atomic_fetch_add((_Atomic uint64_t *)&record->acted, 1);
}

void interruption_record(const struct shim_frame *frame, uint32_t handler, uint64_t now_ns)
{
	struct seg_interruption *record;
	struct arch_call call;
	uint32_t index;

	if (!handler || !find_call(frame->context, &call))
		return;
	index = find_record(handler, &call, arch_context_pc(frame->context));
	if (index) {
		record = segment_record(SEG_INTERRUPTIONS, index);
		segment_open_record(&record->seq);
	} else if (segment_append(SEG_INTERRUPTIONS, (void **)&record)) {
		record->handler = handler;
		record->syscall = call.number;
		record->pc = arch_context_pc(frame->context);
		record->stack = capture(frame->context);
		record->first_ns = now_ns;
	} else {
		return;
	}
	record->args[0] = call.args[0];
	record->args[1] = call.args[1];
	record->thread = segment_thread();
	record->last_ns = now_ns;
	segment_publish(&record->seq);
	count(record, frame);
}
