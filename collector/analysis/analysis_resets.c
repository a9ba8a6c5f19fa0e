/*
 * reset-handler: SA_RESETHAND (or signal() with the semantics of System V) put the default action
 * back at the delivery, nobody installed a handler since, and the process went on.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>

#include "collector/analysis/analysis_detect.h"

#define WENT_ON_NS                                                                                 \
	UINT64_C(10000000) /* a handler that is the way out has ended the process by then */

/* Faults: their handlers put the default action back on purpose, and end by it. */
static bool is_fault(int signo)
{
	switch (signo) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGABRT:
	case SIGTRAP:
	case SIGSYS:
		return true;
	default:
		return false;
	}
}

static const char *default_action(int signo)
{
	switch (signo) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
		return "will be ignored by";
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return "will stop";
	default:
		return "will end";
	}
}

/* Ending is what is asked for anyway; a second Ctrl-C is often meant to end a program at once. */
static bool is_expected(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGQUIT || signo == SIGWINCH ||
	       signo == SIGCONT || signo == SIGURG;
}

static bool has_gone_on(const struct model *m, const struct model_handler *h)
{
	const struct model_process *p = &m->processes.items[h->process];
	/* How long who was killed had lived is not known: up to its last record at least. */
	uint64_t until = p->state == PROCESS_LIVE ? m->now_ns
			 : p->ended_ns            ? p->ended_ns
						  : p->last_ns;

	return until > h->last_ns + WENT_ON_NS;
}

static void report(struct model *m, const uint32_t *items, uint32_t count)
{
	const struct model_handler first = m->handlers.items[items[0]];
	struct model_finding *f = analysis_add(m, FINDING_RESET_HANDLER);
	const char *signal_name = analysis_signal_text(m, first.signo);

	if (!f)
		return;
	if (is_expected(first.signo))
		f->severity = SEVERITY_NOTE;
	for (uint32_t i = 0; i < count; i++) {
		const struct model_handler *h = &m->handlers.items[items[i]];

		f->count += h->deliveries;
		if (!f->first_ns || h->first_ns < f->first_ns)
			f->first_ns = h->first_ns;
		if (h->last_ns > f->last_ns)
			f->last_ns = h->last_ns;
		if (!i || !analysis_is_same_process(m, h->process,
						    m->handlers.items[items[i - 1]].process))
			analysis_add_process(f, h->process);
	}
	analysis_set_handler(m, f, items[0], first.signo);
	analysis_add_stack(f, first.stack, "the handler was installed here");
	f->headline =
		model_stringf(m, "the next %s %s %s: %s was reset at its delivery", signal_name,
			      default_action(first.signo), analysis_processes_text(m, f),
			      analysis_handler_text(m, items[0], first.signo));
	f->evidence = model_stringf(m,
				    "recorded: delivered %llu times, installed %u times with "
				    "SA_RESETHAND, and not again since",
				    (unsigned long long)first.deliveries, first.installs);
}

void detect_resets(struct model *m)
{
	uint32_t count = 0, *items = calloc(m->handlers.count + (size_t)1, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->handlers.count; i++) {
		const struct model_handler *h = &m->handlers.items[i];

		if (h->was_reset && !is_fault(h->signo) && has_gone_on(m, h))
			items[count++] = i;
	}
	analysis_group(m, items, count, analysis_compare_dispositions, report);
	free(items);
}
