/*
 * Calls of async-signal-unsafe functions in handlers. Each recorded call site is one of these:
 *
 *   deadlock-heap   an allocator call, the allocator was interrupted, and the thread never came
 *                   back from the call;
 *   heap-reentered  the same, but glibc did not block (it takes no lock while a process has one
 *                   thread): the heap is being corrupted silently;
 *   unportable-call the function is safe by libc's manual, though not by POSIX;
 *   unsafe-call     everything else.
 *
 * Sites of one kind, program, function and handler are one finding, whatever process they are of;
 * their counts add up. But who is deadlocked now is told each by itself: each has to be ended.
 */
#include "config.h"

#include "collector/analysis/analysis_detect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

/*
 * A thread that waits for an arena's lock may, in theory, wait for another thread for an instant.
 * It waits for itself for certain when no other thread could hold the lock, or after this time.
 */
#define SURELY_STUCK_NS UINT64_C(100000000)

struct site {
	uint32_t call;
	uint32_t stuck_thread; /* MODEL_NONE unless DEADLOCK_HEAP */
	enum finding_kind kind;
	uint32_t alone; /* the process, if it shares no finding with others; else MODEL_NONE */
};

static bool is_any_other_thread_running(const struct model *m, uint32_t thread)
{
	const struct model_thread *self = &m->threads.items[thread];

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];
		/* One without a state has ended: its process was looked at as a whole. */
		if (i != thread && t->process == self->process && t->task_state &&
		    t->task_state != 'S')
			return true;
	}
	return false;
}

static bool is_waiting_for_itself(const struct model *m, uint32_t thread)
{
	const struct model_thread *t = &m->threads.items[thread];

	if (t->handler_depth == 0 || t->task_state == 'R' || t->syscall != SYS_futex)
		return false;
	if (t->call_since_ns && m->now_ns > t->call_since_ns &&
	    m->now_ns - t->call_since_ns >= SURELY_STUCK_NS)
		return true;
	return !is_any_other_thread_running(m, thread);
}

static bool is_stuck(const struct model *m, const struct model_call *c, uint32_t thread)
{
	switch (m->processes.items[c->process].state) {
	case PROCESS_LIVE:
		return is_waiting_for_itself(m, thread);
	case PROCESS_KILLED:
		/* Who did not exit by itself was ended from outside, in the call. */
		return c->is_threaded;
	case PROCESS_DUMPED:
		return m->threads.items[thread].syscall == SYS_futex;
	default:
		return false;
	}
}

/* The thread that entered the call and is stuck in it, or MODEL_NONE. */
static uint32_t find_stuck_thread(const struct model *m, uint32_t call)
{
	const struct model_call *c = &m->calls.items[call];

	if (c->is_on_stack)
		return c->is_waiting ? c->thread : MODEL_NONE;
	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];
		if (t->process != c->process || t->call != call)
			continue;
		if (is_stuck(m, c, i))
			return i;
	}
	return MODEL_NONE;
}

static bool is_harmless(enum finding_kind kind)
{
	return kind == FINDING_UNSAFE_CALL || kind == FINDING_UNPORTABLE_CALL;
}

static struct site classify(const struct model *m, uint32_t call)
{
	const struct model_call *c = &m->calls.items[call];
	struct site s = {call, MODEL_NONE, FINDING_UNSAFE_CALL, MODEL_NONE};

	if (c->is_safe_in_libc)
		s.kind = FINDING_UNPORTABLE_CALL;
	if (!c->is_allocator || !c->has_interrupted_allocator)
		return s;
	s.stuck_thread = find_stuck_thread(m, call);
	s.kind = s.stuck_thread == MODEL_NONE ? FINDING_HEAP_REENTERED : FINDING_DEADLOCK_HEAP;
	if (s.kind == FINDING_DEADLOCK_HEAP && m->processes.items[c->process].state == PROCESS_LIVE)
		s.alone = c->process;
	return s;
}

/* Who has no handler's record: its frames may tell. */
static int compare_frames(const struct model_call *a, const struct model_call *b)
{
	if (a->handler != MODEL_NONE || b->handler != MODEL_NONE)
		return 0;
	return strcmp(a->handler_function ? a->handler_function : "",
		      b->handler_function ? b->handler_function : "");
}

/* 0: of one finding. */
static int compare_keys(const struct model *m, const struct site *x, const struct site *y)
{
	const struct model_call *a = &m->calls.items[x->call], *b = &m->calls.items[y->call];

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->alone != y->alone)
		return x->alone < y->alone ? -1 : 1;
	if (a->signo != b->signo)
		return a->signo < b->signo ? -1 : 1;
	int order = analysis_compare_programs(m, a->process, b->process);

	if (!order)
		order = analysis_compare_handlers(m, a->handler, b->handler);
	if (!order)
		order = compare_frames(a, b);
	return order ? order
		     : strcmp(a->function ? a->function : "", b->function ? b->function : "");
}

/* Sites of one finding stand together, those of a process together, the first seen first. */
static int compare_sites(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	const struct site *a = x, *b = y;
	int order = compare_keys(m, a, b);

	if (order)
		return order;
	if (m->calls.items[a->call].process != m->calls.items[b->call].process)
		return m->calls.items[a->call].process < m->calls.items[b->call].process ? -1 : 1;
	uint64_t first_a = m->calls.items[a->call].first_ns;
	uint64_t first_b = m->calls.items[b->call].first_ns;

	if (first_a != first_b)
		return first_a < first_b ? -1 : 1;
	return a->call < b->call ? -1 : 1;
}

static const char *handler_text(struct model *m, const struct model_call *c)
{
	const char *signal_name =
		c->signo ? analysis_signal_text(m, c->signo) : "an unknown signal";

	if (!c->is_on_stack || c->handler != MODEL_NONE)
		return analysis_handler_text(m, c->handler, c->signo);
	if (!c->handler_function)
		return model_stringf(m, "the handler of %s", signal_name);
	return model_stringf(m, "the handler %s() of %s", c->handler_function, signal_name);
}

static const char *headline(struct model *m, const struct site *s, const struct model_finding *f)
{
	const char *process = analysis_processes_text(m, f);
	const struct model_call c = m->calls.items[s->call];
	const char *handler = handler_text(m, &c);
	const char *function = c.function ? c.function : "an unsafe function";
	const char *interrupted =
		c.interrupted ? model_stringf(m, "%s()", c.interrupted) : "the allocator";

	switch (s->kind) {
	case FINDING_DEADLOCK_HEAP:
		return model_stringf(m, "%s %s: %s interrupted %s and called %s()", process,
				     f->process_count > 1 ? "each waited for themselves"
							  : "waits for itself",
				     handler, interrupted, function);
	case FINDING_HEAP_REENTERED:
		return model_stringf(m, "%s: %s interrupted %s and called %s()", process, handler,
				     interrupted, function);
	default:
		return model_stringf(m, "%s() was called in %s in %s", function, handler, process);
	}
}

static const char *evidence_of_deadlock(struct model *m, const struct site *s)
{
	const struct model_thread t = m->threads.items[s->stuck_thread];
	const char *function = m->calls.items[s->call].function;
	const char *since = "";

	if (m->processes.items[t.process].state != PROCESS_LIVE)
		return m->processes.items[t.process].state == PROCESS_DUMPED
			       ? "recorded: the call had not returned; observed in the core: the "
				 "thread is blocked in futex()"
			       : "recorded: the call had not returned when the process ended";
	if (t.call_since_ns && m->now_ns > t.call_since_ns)
		since = model_stringf(m, " %s ago",
				      analysis_duration_text(m, m->now_ns - t.call_since_ns));
	return model_stringf(m,
			     "recorded: thread %d entered %s()%s and has not come back; "
			     "observed: it is blocked in futex()",
			     (int)t.tid, function ? function : "the function", since);
}

/* There is no record, but there are the frames. */
static const char *evidence_on_stack(struct model *m, const struct site *s)
{
	const struct model_call *c = &m->calls.items[s->call];
	const char *where = c->has_interrupted_allocator
				    ? "the allocator on both sides of the signal frame"
				    : "the allocator inside the signal frame";

	return model_stringf(
		m, "observed: thread %d shows %s%s", (int)m->threads.items[c->thread].tid, where,
		s->kind == FINDING_DEADLOCK_HEAP ? " and waits for its lock in futex()" : "");
}

static const char *where_text(struct model *m, uint32_t sites, uint32_t processes)
{
	if (processes > 1)
		return model_stringf(m, ", in each of %u processes", (unsigned)processes);
	return sites > 1 ? model_stringf(m, ", at %u sites", (unsigned)sites) : "";
}

/* A call that did no harm yet: what harm it can do. */
static const char *evidence_of_call(struct model *m, const struct model_call *c, const char *where,
				    const char *held)
{
	const char *interrupted = analysis_interrupted_text(m, c);
	const char *why =
		c->why && c->function ? model_stringf(m, "; %s() %s", c->function, c->why) : "";

	const char *interrupted_by_itself =
		analysis_interrupted_unsafe(m, c, 1) &&
				analysis_is_reentered(c, analysis_interrupted_unsafe(m, c, 1))
			? "; its own data were half changed"
			: "";
	const char *by = c->entered && c->entered_by
				 ? model_stringf(m, " by %s(), which it had called", c->entered)
				 : "";
	const char *child = c->is_inherited ? ", in a process that was forked in it" : "";

	return model_stringf(m, "recorded: the call was made in the handler%s%s%s%s%s%s%s", by,
			     child, where, interrupted, interrupted_by_itself, held, why);
}

/* `where` stands behind what was recorded, `held` behind what was interrupted. */
static const char *evidence(struct model *m, const struct site *sites, const char *where,
			    const char *held)
{
	const struct model_call *c = &m->calls.items[sites[0].call];

	if (c->is_on_stack)
		return evidence_on_stack(m, &sites[0]);
	switch (sites[0].kind) {
	case FINDING_DEADLOCK_HEAP:
		return model_stringf(m, "%s%s", evidence_of_deadlock(m, &sites[0]), held);
	case FINDING_HEAP_REENTERED:
		return model_stringf(
			m,
			"recorded: the call was made%s; the stack copied at that moment "
			"shows the allocator outside the signal frame%s%s",
			where, held,
			c->is_rescued ? "; the emergency arena did what was asked (--protect): the "
					"heap was not touched"
				      : "");
	default:
		return evidence_of_call(m, c, where, held);
	}
}

static void add_site(struct model *m, struct model_finding *f, const struct site *site)
{
	const struct model_call *c = &m->calls.items[site->call];

	f->count += c->count;
	if (c->last_ns > f->last_ns)
		f->last_ns = c->last_ns;
	if (!f->first_ns || (c->first_ns && c->first_ns < f->first_ns))
		f->first_ns = c->first_ns;
}

/*
 * A call that did no harm yet may have come near it. It is told before those that came into
 * harmless code where an unsafe function was interrupted, or code that held a lock; and it is an
 * error where the very function was at work: its data are half changed.
 */
static void weigh(const struct model *m, struct model_finding *f, const struct site *sites,
		  uint32_t count)
{
	bool is_all_synchronous = true, is_reentered = false;

	for (uint32_t i = 0; i < count; i++) {
		const struct model_call *c = &m->calls.items[sites[i].call];
		const char *interrupted = analysis_interrupted_unsafe(m, c, 1);

		is_all_synchronous = is_all_synchronous && analysis_is_synchronous(m, c);
		is_reentered =
			is_reentered || (interrupted && analysis_is_reentered(c, interrupted));
		if (interrupted)
			f->gravity = 2;
		else if (c->held_count && !f->gravity)
			f->gravity = 1;
	}
	if (f->kind != FINDING_UNSAFE_CALL)
		return;
	if (is_reentered)
		f->severity = SEVERITY_ERROR;
	else if (is_all_synchronous)
		f->severity = SEVERITY_NOTE;
}

/* What the first of the sites that came into a critical section found there. */
static const char *add_held(struct model *m, struct model_finding *f, const struct site *sites,
			    uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct model_call *c = &m->calls.items[sites[i].call];

		if (!c->held_count)
			continue;
		analysis_add_held(m, f, c);
		return analysis_held_text(m, c);
	}
	return "";
}

/* One finding from sites[0..count-1], which have one key. */
static void report(struct model *m, const struct site *sites, uint32_t count)
{
	const struct model_call first = m->calls.items[sites[0].call];
	const char *label =
		model_stringf(m, "called in %s",
			      first.signo ? model_stringf(m, "the handler of %s",
							  analysis_signal_text(m, first.signo))
					  : "a signal handler");
	struct model_finding *f = analysis_add(m, sites[0].kind);

	if (!f)
		return;
	uint32_t process = MODEL_NONE;

	analysis_add_stack(f, first.stack, label);
	const char *held = add_held(m, f, sites, count);

	for (uint32_t i = 0; i < count; i++) {
		const struct model_call *c = &m->calls.items[sites[i].call];

		add_site(m, f, &sites[i]);
		if (!analysis_is_same_process(m, c->process, process))
			analysis_add_process(f, c->process);
		process = c->process;
		/* Those of equal processes are equal. */
		if (process == first.process)
			analysis_add_stack(f, c->stack, label);
	}
	analysis_set_handler(m, f, first.handler, first.signo);
	f->function = first.function;
	if (!f->handler)
		f->handler = first.handler_function;
	weigh(m, f, sites, count);
	f->headline = headline(m, &sites[0], f);
	f->evidence = evidence(m, sites, where_text(m, count, f->process_count), held);
}

void detect_calls(struct model *m)
{
	uint32_t count = 0;
	struct site *sites = m->calls.count ? calloc(m->calls.count, sizeof(*sites)) : NULL;

	if (!sites) {
		m->out_of_memory |= m->calls.count > 0;
		return;
	}
	for (uint32_t i = 0; i < m->calls.count; i++) {
		if (m->calls.items[i].jumps_out)
			continue;
		sites[count] = classify(m, i);
		count += !(is_harmless(sites[count].kind) && analysis_is_on_behalf(m, i));
	}
	qsort_r(sites, count, sizeof(*sites), compare_sites, m);
	for (uint32_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && !compare_keys(m, &sites[i], &sites[end]);)
			end++;
		report(m, &sites[i], end - i);
	}
	free(sites);
}
