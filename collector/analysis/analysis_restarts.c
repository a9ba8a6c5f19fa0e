/*
 * restarted-wait: a handler came into a blocking call, called nothing that could have done the work
 * or woken anybody, and the call was repeated: the flag that it set is seen when something else
 * ends the call. Of a process with several threads another one may look at the flag, and of signals
 * that are ignored by default (SIGCHLD) a program may not care: a note.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/arch/blocking_call.h"
#include "collector/model/frame.h"

/*
 * Most of libc's functions that sleep in futex() go on by themselves when a signal came, however
 * its handler was installed: a mutex, a join. Only of these a program may see EINTR.
 */
static bool ends_with_eintr(const char *function)
{
	static const char *const names[] = {"sem_wait", "sem_timedwait", "sem_clockwait",
					    "suspend",  "syscall",       "sem_wait_slow"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(function, names[i]))
			return true;
	return false;
}

/* By the recorded stack: through which function of libc it was called. */
static bool is_libcs_own_wait(const struct model *m, const struct model_interruption *x)
{
	const struct model_stack *s = x->stack == MODEL_NONE ? NULL : &m->stacks.items[x->stack];
	uint32_t count = s && x->syscall == SYS_futex ? s->frame_count : 0, entry = 0;
	const struct model_frame *frames = count ? &m->frames.items[s->first_frame] : NULL;

	while (entry < count && frame_is_libc(&frames[entry]))
		entry++;
	return entry && frames[entry - 1].function && !ends_with_eintr(frames[entry - 1].function);
}

/* A swallowed one: the call goes on, and the handler did nothing that shows. */
static bool is_swallowed(const struct model *m, const struct model_interruption *x)
{
	const struct blocking_call *call = analysis_blocking_call(x);

	return call && call->restart == CALL_RESTARTS && x->acted < x->count &&
	       m->handlers.items[x->handler].flags & SA_RESTART && !is_libcs_own_wait(m, x);
}

static int compare_keys(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_interruption *x = &m->interruptions.items[a],
					*y = &m->interruptions.items[b];
	int order = (x->syscall > y->syscall) - (x->syscall < y->syscall);

	if (!order)
		order = analysis_compare_programs(m, x->process, y->process);
	return order ? order : analysis_compare_handlers(m, x->handler, y->handler);
}

static enum severity severity_of(const struct model *m, const struct model_interruption *x)
{
	bool is_alone = !m->processes.items[x->process].has_children_threads;

	return is_alone && x->syscall != SYS_futex &&
			       analysis_is_request(m->handlers.items[x->handler].signo)
		       ? SEVERITY_WARNING
		       : SEVERITY_NOTE;
}

static const char *evidence(struct model *m, const struct model_interruption *x)
{
	const char *text = model_stringf(
		m,
		"recorded: %llu of %llu times it called nothing that could have done the work or "
		"woken the program",
		(unsigned long long)(x->count - x->acted), (unsigned long long)x->count);

	if (analysis_is_there_now(m, x))
		text = model_stringf(m, "%s; %s after the last one the thread sits in %s%s", text,
				     analysis_duration_text(m, m->now_ns - x->last_ns),
				     analysis_call_text(m, x),
				     analysis_has_waited_since(m, x)
					     ? ", its first sleep since"
					     : "");
	if (x->waited_ns)
		text = model_stringf(
			m, "%s; another signal found it there %s after one, in its first sleep since", text,
			analysis_duration_text(m, x->waited_ns));
	if (m->processes.items[x->process].has_children_threads)
		text = model_stringf(m, "%s; whether another thread looks at its flag is not known",
				     text);
	return text;
}

static void report(struct model *m, const uint32_t *items, uint32_t count)
{
	const struct model_interruption first = m->interruptions.items[items[0]];
	struct model_finding *f = analysis_add(m, FINDING_RESTARTED_WAIT);

	if (!f)
		return;
	f->severity = severity_of(m, &first);
	f->first_ns = first.first_ns;
	for (uint32_t i = 0; i < count; i++) {
		const struct model_interruption *x = &m->interruptions.items[items[i]];

		f->count += x->count - x->acted;
		if (x->first_ns < f->first_ns)
			f->first_ns = x->first_ns;
		if (x->last_ns > f->last_ns)
			f->last_ns = x->last_ns;
		if (!i || !analysis_is_same_process(m, x->process,
						    m->interruptions.items[items[i - 1]].process))
			analysis_add_process(f, x->process);
	}
	analysis_set_handler(m, f, first.handler, m->handlers.items[first.handler].signo);
	analysis_add_stack(f, first.stack, "this call was repeated");
	analysis_add_stack(f, m->handlers.items[first.handler].stack,
			   "the handler was installed here");
	f->headline = model_stringf(
		m, "%s ran while %s was in %s, which SA_RESTART then repeated",
		analysis_handler_text(m, first.handler, m->handlers.items[first.handler].signo),
		analysis_processes_text(m, f), analysis_call_text(m, &first));
	f->evidence = evidence(m, &first);
}

void detect_restarts(struct model *m)
{
	uint32_t count = 0, *items = calloc(m->interruptions.count + (size_t)1, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->interruptions.count; i++)
		if (is_swallowed(m, &m->interruptions.items[i]))
			items[count++] = i;
	analysis_group(m, items, count, compare_keys, report);
	free(items);
}
