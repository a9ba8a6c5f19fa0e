/*
 * signal-blocked: a signal was pending at every one of several looks, and every thread that might
 * take it blocks it. Where none of the threads ran in between, nobody can have taken one and got
 * another; else it is a note: the program may be about to let it in.
 */
#include "config.h"

#include <stdlib.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/arch/syscall_name.h"

#define SIGNALS 64
#define LOOKS_FEW 2
#define LOOKS_MANY 10
#define SAMPLED_NS UINT64_C(1000000000) /* who samples looks now and then */

static int first_signal(uint64_t mask)
{
	return mask ? __builtin_ctzll(mask) + 1 : 0;
}

/* "SIGTERM", "SIGHUP and SIGTERM", "SIGHUP, SIGINT and SIGTERM" */
static const char *mask_text(struct model *m, uint64_t mask)
{
	const char *text = "";

	for (int signo = 1; signo <= SIGNALS; signo++) {
		uint64_t above = signo == SIGNALS ? 0 : mask >> signo;

		if (mask & UINT64_C(1) << (signo - 1))
			text = model_stringf(m, "%s%s%s", text, analysis_signal_text(m, signo),
					     !above                ? ""
					     : above & (above - 1) ? ", "
								   : " and ");
	}
	return text;
}

static uint32_t find_handler(const struct model *m, uint32_t process)
{
	int signo = first_signal(m->processes.items[process].held_back.signals);

	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].process == process && m->handlers.items[i].is_current &&
		    m->handlers.items[i].signo == signo)
			return i;
	return MODEL_NONE;
}

static uint32_t count_threads(const struct model *m, uint32_t process)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->threads.count; i++)
		count += m->threads.items[i].process == process && m->threads.items[i].has_signals;
	return count;
}

/* For a thread alone, or for the process, where all its threads have a say. */
static const char *blockers_text(struct model *m, uint32_t process)
{
	uint32_t count = count_threads(m, process);

	for (uint32_t i = 0; count > 1 && i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process == process &&
		    t->pending & t->blocked & m->processes.items[process].held_back.signals)
			return model_stringf(m, "blocked by its thread %d, to which it was sent",
					     (int)t->tid);
	}
	return count == 1 ? "blocked by its only thread"
	       : count    ? model_stringf(m, "blocked by all its %u threads", count)
			  : "blocked by all its threads";
}

/* "; its main thread is in read()": what it does instead; "" unknown. */
static const char *sits_text(struct model *m, uint32_t process)
{
	uint32_t thread = model_find_thread(m, process, m->processes.items[process].pid);

	if (thread == MODEL_NONE || m->threads.items[thread].syscall < 0 ||
	    !syscall_name(m->threads.items[thread].syscall))
		return "";
	return model_stringf(m, "; its main thread is in %s()",
			     syscall_name(m->threads.items[thread].syscall));
}

/*
 * Who runs may take one and get another between two looks: that it did so each time is not likely
 * where there were many.
 */
static bool is_held_back(const struct model_held_back *h)
{
	return h->signals && h->last_ns >= h->since_ns && h->looks >= (h->has_run ? LOOKS_MANY : LOOKS_FEW) &&
	       (!h->is_sampled || h->last_ns - h->since_ns >= SAMPLED_NS);
}

static int compare_keys(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_held_back *x = &m->processes.items[a].held_back,
				     *y = &m->processes.items[b].held_back;
	int order = (x->signals > y->signals) - (x->signals < y->signals);

	if (!order)
		order = x->has_run - y->has_run;
	return order ? order : analysis_compare_programs(m, a, b);
}

static const char *evidence(struct model *m, uint32_t process)
{
	const struct model_held_back h = m->processes.items[process].held_back;

	return model_stringf(m, "%s: pending at each of %u looks within %s; %s%s",
			     h.is_sampled ? "sampled" : "observed", h.looks,
			     analysis_duration_text(m, h.last_ns - h.since_ns),
			     h.has_run ? "threads of it ran in between"
				       : "none of its threads ran in between",
			     sits_text(m, process));
}

static void report(struct model *m, const uint32_t *items, uint32_t count)
{
	const struct model_held_back first = m->processes.items[items[0]].held_back;
	struct model_finding *f = analysis_add(m, FINDING_SIGNAL_BLOCKED);
	uint32_t handler = find_handler(m, items[0]);

	if (!f)
		return;
	if (first.has_run)
		f->severity = SEVERITY_NOTE;
	f->count = count;
	f->first_ns = first.since_ns;
	f->last_ns = first.last_ns;
	for (uint32_t i = 0; i < count; i++)
		analysis_add_process(f, items[i]);
	analysis_set_handler(m, f, handler, first_signal(first.signals));
	if (handler != MODEL_NONE)
		analysis_add_stack(f, m->handlers.items[handler].stack,
				   "the handler was installed here");
	f->headline =
		model_stringf(m, "%s cannot be delivered to %s: %s", mask_text(m, first.signals),
			      analysis_processes_text(m, f), blockers_text(m, items[0]));
	f->evidence = evidence(m, items[0]);
}

void detect_blocked(struct model *m)
{
	uint32_t count = 0, *items = calloc(m->processes.count + (size_t)1, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->processes.count; i++)
		if (is_held_back(&m->processes.items[i].held_back))
			items[count++] = i;
	analysis_group(m, items, count, compare_keys, report);
	free(items);
}
