/*
 * Where a stack comes from: recorded addresses, recorded registers with a slice of the stack, a
 * blocked thread of now, a core.
 */
#include "config.h"

#include "collector/stack/stack_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/arch/arch.h"
#include "collector/stack/stack_live.h"

#define LOOKS_MORE 4
#define NAP_NS 200000

static int fail(struct stacks *s, uint32_t stack, int error, const char *reason)
{
	s->m->stacks.items[stack].stopped = reason;
	return error;
}

/* Splits off what the recorder says about each address. malloc'ed; NULL: memory is out. */
static uint64_t *take_marks(uint64_t *pcs, uint32_t count)
{
	uint64_t *marks = calloc(count + (size_t)1, sizeof(*marks));

	for (uint32_t i = 0; i < count; i++) {
		if (marks)
			marks[i] = pcs[i] & ~SEG_PC_MASK;
		pcs[i] &= SEG_PC_MASK;
	}
	return marks;
}

/* A lock that nobody had to wait for is recorded with the return address of its call alone. */
static int resolve_site(struct stacks *s, uint32_t stack)
{
	const struct model_stack *st = &s->m->stacks.items[stack];
	const uint64_t site = st->site;
	struct process_stacks *ps = stack_process_recorded(s, st->process);

	if (ps && !modules_are_open(&ps->modules, &site, 1))
		ps = stack_process(s, st->process);
	if (!ps)
		return -ENOMEM;
	stack_name_pcs(s, stack, ps, &(struct stack_pcs){&site, NULL, 1});
	s->m->stacks.items[stack].stopped = "the call alone was recorded, as it did not have to wait";
	return 0;
}

/* All but marked ones are return addresses: the first one is that of the wrapper's call. */
int stack_resolve_pcs(struct stacks *s, uint32_t stack)
{
	const struct model_stack st = s->m->stacks.items[stack];
	struct segment *segment = stack_segment(s, st.process);
	struct process_stacks *ps = stack_process_recorded(s, st.process);
	struct seg_stack record;

	if (st.site)
		return resolve_site(s, stack);
	if (!ps)
		return -ENOMEM;
	if (!segment || segment_read(segment, SEG_STACKS, st.raw, &record, sizeof(record)))
		return fail(s, stack, -ENOENT, "its record is damaged");
	uint32_t max = record.count < s->max_frames ? record.count : s->max_frames;
	uint64_t *pcs = calloc(max + 1, sizeof(*pcs));

	if (!pcs)
		return -ENOMEM;
	uint32_t count = segment_stack_pcs(segment, &record, pcs, max);

	uint64_t *marks = record.flags & SEG_STACK_MARKED ? take_marks(pcs, count) : NULL;

	/* /proc/PID/maps of thousands of equal processes would say nothing new. */
	if (!modules_are_open(&ps->modules, pcs, count))
		ps = stack_process(s, st.process);
	if (ps)
		stack_name_pcs(s, stack, ps, &(struct stack_pcs){pcs, marks, count});
	free(pcs);
	free(marks);
	if (record.flags & SEG_STACK_CUT)
		s->m->stacks.items[stack].stopped = "the recorder keeps no more frames than these";
	else if (record.flags & SEG_STACK_SHORT)
		s->m->stacks.items[stack].stopped = "the recorder could not follow it further";
	return count ? 0 : fail(s, stack, -ENOENT, "no frame was recorded");
}

struct slices {
	const struct seg_slice *items;
	const char *bytes[2];
};

static bool read_slices(void *context, uint64_t address, void *data, size_t size)
{
	const struct slices *slices = context;

	for (int i = 0; i < 2; i++) {
		uint64_t from = slices->items[i].address, length = slices->items[i].length;

		if (!slices->bytes[i] || address < from || address - from > length ||
		    size > length - (address - from))
			continue;
		memcpy(data, slices->bytes[i] + (address - from), size);
		return true;
	}
	return false;
}

int stack_resolve_slice(struct stacks *s, uint32_t stack)
{
	const struct model_stack st = s->m->stacks.items[stack];
	struct segment *segment = stack_segment(s, st.process);
	struct seg_finding record;
	struct slices slices = {.items = record.slices};
	struct unwind_start start = {.is_return_address = true,
				     .known = ARCH_KEPT_BY_CALLS,
				     .read = read_slices,
				     .context = &slices};

	if (!segment || segment_read(segment, SEG_FINDINGS, st.raw, &record, sizeof(record)))
		return fail(s, stack, -ENOENT, "its record is damaged");
	for (int i = 0; i < 2; i++)
		slices.bytes[i] =
			record.slices[i].length ? segment_slice(segment, &record.slices[i]) : NULL;
	memcpy(start.regs, record.regs, sizeof(start.regs));
	/* The function itself had been entered, but was not yet at work: it has no address here. */
	struct model_frame *called = stack_add_frame(s, stack, FRAME_CALL);

	if (!called)
		return -ENOMEM;
	called->function = model_string(s->m, segment_text(segment, record.function));
	int error = stack_unwind_and_name(s, stack, &start, true);

	if (!error && (record.flags & SEG_FIND_NO_SLICE))
		s->m->stacks.items[stack].stopped =
			"the recorder had no room to keep this stack: registers only";
	return error;
}

static bool keep_copy(struct stacks *s, uint32_t stack, struct stack_live *live)
{
	if (stack >= s->copy_room) {
		uint32_t room = stack + 64;
		struct stack_live **grown = reallocarray(s->copies, room, sizeof(*grown));

		if (!grown)
			return false;
		memset(grown + s->copy_room, 0, (room - s->copy_room) * sizeof(*grown));
		s->copies = grown;
		s->copy_room = room;
	}
	s->copies[stack] = live;
	return true;
}

static void drop_copy(struct stacks *s, uint32_t stack)
{
	stack_live_free(s->copies[stack]);
	s->copies[stack] = NULL;
}

void stack_copies_free(struct stacks *s)
{
	for (uint32_t i = 0; i < s->copy_room; i++)
		stack_live_free(s->copies[i]);
	free(s->copies);
}

/* What the model says of a thread is of the moment of its stack; what its stop did is said. */
static void tell_moment(struct stacks *s, uint32_t stack, const struct stack_live *live)
{
	struct model_stack *st = &s->m->stacks.items[stack];
	struct model_thread *t = &s->m->threads.items[st->thread];
	struct stack_live_moment moment;

	stack_live_moment(live, &moment);
	st->stood_ns = moment.stood_ns;
	t->syscall = moment.syscall.number;
	t->sp = moment.syscall.sp;
	t->pc = moment.syscall.pc;
	memcpy(t->syscall_args, moment.syscall.args, sizeof(t->syscall_args));
	if (moment.syscall.is_running)
		t->task_state = 'R';
	if (moment.has_asked_again)
		model_note(s->m,
			   "thread %d had just asked for a file lock when it was stopped for its "
			   "backtrace: it asked again at once, behind who asked meanwhile",
			   t->tid);
	if (moment.ended >= 0)
		model_note(s->m,
			   "the stop for the backtrace of thread %d ended its system call (number "
			   "%ld) with EINTR, as SIGSTOP and SIGCONT would have",
			   t->tid, moment.ended);
}

/* One that may not be stopped may be about to block. */
static int look_patiently(const struct stack_subject *subject, struct stack_live **live,
			  const char **reason)
{
	int error = stack_live_look(subject, live, reason);

	for (int i = 0; error == -EAGAIN && !subject->may_stop && i < LOOKS_MORE; i++) {
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
		error = stack_live_look(subject, live, reason);
	}
	return error;
}

static bool has_ended(const struct model_thread *t)
{
	return t->task_state == 'Z' || t->task_state == 'X';
}

void stack_copy_thread(struct stacks *s, uint32_t stack, bool may_stop)
{
	struct model_stack *st = &s->m->stacks.items[stack];
	const struct stack_subject subject = {.proc = s->proc,
					      .pid = s->m->processes.items[st->process].pid,
					      .tid = s->m->threads.items[st->thread].tid,
					      .may_stop = may_stop};
	struct stack_live *live;

	const char *tracer = s->m->threads.items[st->thread].tracer;

	if (has_ended(&s->m->threads.items[st->thread])) {
		st->stopped = "the thread has ended; its process goes on without it";
		st->is_resolved = true;
		return;
	}
	int error = look_patiently(&subject, &live, &st->stopped);

	if (error) {
		if (error == -EPERM && may_stop && tracer)
			st->stopped = model_stringf(
				s->m,
				"the thread is running, and traced by %s: nobody else can stop it",
				tracer);
		st->is_resolved = true;
		return;
	}
	if (keep_copy(s, stack, live))
		return;
	s->m->out_of_memory = st->is_resolved = true;
	stack_live_free(live);
}

int stack_resolve_thread(struct stacks *s, uint32_t stack)
{
	struct stack_live *live = stack < s->copy_room ? s->copies[stack] : NULL;
	struct unwind_start start;

	if (!live)
		return fail(s, stack, -ENOENT, "it was not copied");
	int error;

	do {
		s->m->stacks.items[stack].frame_count = 0;
		stack_live_start(live, &start);
		error = stack_unwind_and_name(s, stack, &start, false);
	} while (!error && !stack_live_has_stayed(live) && stack_live_look_deeper(live));
	tell_moment(s, stack, live);
	if (!error && !stack_live_has_stayed(live))
		s->m->stacks.items[stack].stopped = "the thread went on while it was looked at: "
						    "outer frames may be wrong";
	else if (!error && !stack_live_has_kept_data(live))
		model_note(s->m, "a thread went on while it was looked at: what arguments in its "
				 "backtrace point to may be of a later moment");
	drop_copy(s, stack);
	return error;
}

static bool read_core(void *context, uint64_t address, void *data, size_t size)
{
	return core_read(context, address, data, size);
}

int stack_resolve_core(struct stacks *s, uint32_t stack)
{
	uint32_t thread = s->m->stacks.items[stack].raw;
	struct unwind_start start = {
		.known = ARCH_ALL_REGS, .read = read_core, .context = (void *)s->core};
	uint64_t word;

	if (!s->core || thread >= s->core->thread_count)
		return fail(s, stack, -ENOENT, "its core is not there");
	memcpy(start.regs, s->core->threads[thread].regs, sizeof(start.regs));
	start.blocked = s->core->threads[thread].blocked;
	/* What was left out of the core is no error of the program. */
	bool has_stack = core_read(s->core, start.regs[ARCH_SP], &word, sizeof(word));

	return stack_unwind_and_name(s, stack, &start, !has_stack || s->core->missing);
}
