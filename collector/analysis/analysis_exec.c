/*
 * signal-lost-by-exec: what a program had from before its execve() did harm: a signal ended it that
 * the program before it in the process had caught, and for which it installed nothing; or a signal
 * that was blocked already when it began is pending, and nobody takes it. SIGTERM ignored from the
 * beginning is a note: it cannot be ended so, which may be meant. What nohup does, and shells for
 * what they start in the background (SIGHUP, SIGINT, SIGQUIT ignored), is meant.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>

#include "collector/analysis/analysis_detect.h"

static bool has(uint64_t mask, int signo)
{
	return signo >= 1 && signo <= 64 && mask >> (signo - 1) & 1;
}

static bool has_installed(const struct model *m, uint32_t process, int signo)
{
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].process == process && m->handlers.items[i].signo == signo)
			return true;
	return false;
}

static struct model_finding *add(struct model *m, uint32_t process, int signo)
{
	struct model_finding *f = analysis_add(m, FINDING_LOST_BY_EXEC);

	if (!f)
		return NULL;
	f->count = 1;
	f->signo = signo;
	analysis_add_process(f, process);
	return f;
}

/* Where the program before it had installed the handler, if its record is there. */
static uint32_t former_handler(const struct model *m, uint32_t process, int signo)
{
	for (uint32_t i = m->handlers.count; i-- > 0;) {
		const struct model_handler *h = &m->handlers.items[i];

		if (h->signo == signo && h->is_current && h->process != process &&
		    m->processes.items[h->process].state == PROCESS_EXECED &&
		    analysis_is_same_process(m, h->process, process))
			return i;
	}
	return MODEL_NONE;
}

static void judge_end(struct model *m, uint32_t process)
{
	const struct model_process p = m->processes.items[process];
	int signo = p.killed_by;
	uint32_t handler;
	struct model_finding *f;

	if (!has(p.caught_before, signo) || has_installed(m, process, signo))
		return;
	f = add(m, process, signo);
	if (!f)
		return;
	handler = former_handler(m, process, signo);
	if (handler != MODEL_NONE) {
		analysis_set_handler(m, f, handler, signo);
		analysis_add_stack(f, m->handlers.items[handler].stack,
				   "the program before it had installed the handler here");
	}
	f->headline = model_stringf(
		m, "%s ended %s, which had lost %s by execve()", analysis_signal_text(m, signo),
		analysis_process_text(m, process), analysis_handler_text(m, handler, signo));
	f->evidence = "recorded: the program before it in the same process caught the signal, it "
		      "never did; who waited for it was told the signal";
}

/* That it is held back is a finding of its own; this is why. */
static bool is_found_blocked(const struct model *m, uint32_t process)
{
	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		for (uint32_t k = 0; k < FINDING_PIDS && k < f->process_count; k++)
			if (f->kind == FINDING_SIGNAL_BLOCKED && f->processes[k] == process)
				return true;
	}
	return false;
}

static void judge_blocked(struct model *m, uint32_t process)
{
	const struct model_process *p = &m->processes.items[process];
	uint64_t kept = p->knows_start ? p->blocked_at_start & p->held_back.signals : 0;

	if (kept && !is_found_blocked(m, process))
		return;

	for (int signo = 1; signo <= 64; signo++) {
		struct model_finding *f = has(kept, signo) ? add(m, process, signo) : NULL;

		if (!f)
			continue;
		f->headline = model_stringf(
			m, "%s does not reach %s: it was blocked before its execve() and still is",
			analysis_signal_text(m, signo), analysis_process_text(m, process));
		f->evidence = "recorded: it was blocked when the program began; observed: it is "
			      "pending, and every thread that could take it blocks it";
	}
}

static void judge_ignored(struct model *m, const struct model_signals *s)
{
	const struct model_process *p = &m->processes.items[s->process];
	struct model_finding *f;

	if (!p->knows_start || !has(p->ignored_at_start & s->ignored, SIGTERM) ||
	    has_installed(m, s->process, SIGTERM))
		return;
	f = add(m, s->process, SIGTERM);
	if (!f)
		return;
	f->severity = SEVERITY_NOTE;
	f->headline = model_stringf(
		m, "%s cannot be ended by SIGTERM: it was ignored before its execve()",
		analysis_process_text(m, s->process));
	f->evidence =
		"recorded: it was ignored when the program began, which installed no handler; "
		"observed: it is ignored now";
}

void detect_exec(struct model *m)
{
	for (uint32_t i = 0; i < m->processes.count; i++) {
		judge_blocked(m, i);
		if (m->processes.items[i].killed_by)
			judge_end(m, i);
	}
	for (uint32_t i = 0; i < m->signals.count; i++)
		judge_ignored(m, &m->signals.items[i]);
}
