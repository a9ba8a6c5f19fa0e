/*
 * The analysis: runs every detector, then puts the findings in order. What detectors share is
 * here as well. Never reads anything but the model.
 */
#include "config.h"

#include "collector/analysis/analysis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/model/findings.h"
#include "collector/model/frame.h"
#include "collector/model/wait_locks.h"

static void (*const detectors[])(struct model *m) = {
	/* clang-format off: one line each */
	detect_cycles,
	detect_calls,
	detect_jumps,
	detect_lock_uses,
	detect_errno,
	detect_restarts,
	detect_flag_races,
	detect_unseen,
	detect_blocked,
	detect_resets,
	detect_flags,
	detect_children,
	detect_pipes,
	detect_exec, /* after detect_blocked: it tells why */
	detect_orders,
	detect_losses,
	detect_holds,
	/* clang-format on */
};

struct model_finding *analysis_add(struct model *m, enum finding_kind kind)
{
	uint32_t i = model_add_finding(m);

	if (i == MODEL_NONE)
		return NULL;
	struct model_finding *f = &m->findings.items[i];

	f->kind = kind;
	f->severity = finding_info(kind)->severity;
	for (uint32_t k = 0; k < FINDING_PIDS; k++)
		f->processes[k] = MODEL_NONE;
	f->headline = "";
	return f;
}

void analysis_add_process(struct model_finding *f, uint32_t process)
{
	if (process == MODEL_NONE)
		return;
	for (uint32_t i = 0; i < f->process_count && i < FINDING_PIDS; i++)
		if (f->processes[i] == process)
			return;
	if (f->process_count < FINDING_PIDS)
		f->processes[f->process_count] = process;
	f->process_count++;
}

void analysis_set_handler(const struct model *m, struct model_finding *f, uint32_t handler,
			  int signo)
{
	f->handler = handler == MODEL_NONE ? NULL : m->handlers.items[handler].function;
	f->signo = signo;
}

void analysis_add_stack(struct model_finding *f, uint32_t stack, const char *label)
{
	if (stack == MODEL_NONE || f->stack_count == FINDING_STACKS)
		return;
	for (uint32_t i = 0; i < f->stack_count; i++)
		if (f->stacks[i].stack == stack)
			return;
	f->stacks[f->stack_count].stack = stack;
	f->stacks[f->stack_count++].label = label;
}

const char *analysis_process_text(struct model *m, uint32_t process)
{
	if (process == MODEL_NONE)
		return "an unknown process";
	const struct model_process *p = &m->processes.items[process];

	return model_stringf(m, "%s (pid %d)", p->name && p->name[0] ? p->name : "a process",
			     (int)p->pid);
}

const char *analysis_signal_text(struct model *m, int signo)
{
	const char *name = signo > 0 && signo < SIGRTMIN ? sigabbrev_np(signo) : NULL;

	if (name)
		return model_stringf(m, "SIG%s", name);
	if (signo >= SIGRTMIN && signo <= SIGRTMAX)
		return model_stringf(m, "SIGRTMIN+%d", signo - SIGRTMIN);
	return model_stringf(m, "signal %d", signo);
}

const char *analysis_errno_text(struct model *m, int number)
{
	const char *name = strerrorname_np(number);

	return name ? name : model_stringf(m, "%d", number);
}

const char *analysis_duration_text(struct model *m, uint64_t ns)
{
	double s = (double)ns / 1e9;

	if (ns < UINT64_C(1000000000))
		return model_stringf(m, "%ums", (unsigned)(ns / 1000000));
	return model_stringf(m, s < 100 ? "%.1fs" : "%.0fs", s);
}

const char *analysis_handler_text(struct model *m, uint32_t handler, int signo)
{
	const char *signal_name = analysis_signal_text(m, signo);

	if (handler == MODEL_NONE || !m->handlers.items[handler].function)
		return model_stringf(m, "the handler of %s", signal_name);
	return model_stringf(m, "the handler %s() of %s", m->handlers.items[handler].function,
			     signal_name);
}

const char *analysis_site_text(struct model *m, uint32_t stack)
{
	const struct model_frame *f = frame_site(m, stack);
	const char *base = f && f->file ? strrchr(f->file, '/') : NULL;

	if (!f)
		return NULL;
	if (!f->function)
		return model_stringf(m, "code at 0x%llx of %s", (unsigned long long)f->pc,
				     f->module ? f->module : "an unknown file");
	return f->file ? model_stringf(m, "%s() at %s:%d", f->function, base ? base + 1 : f->file,
				       f->line)
		       : model_stringf(m, "%s()", f->function);
}

/* Kind, the worst first, first process, first seen; then the sentence, so that the order never depends on qsort. */
static int compare_findings(const void *a, const void *b)
{
	const struct model_finding *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->gravity != y->gravity)
		return x->gravity > y->gravity ? -1 : 1;
	if (x->processes[0] != y->processes[0])
		return x->processes[0] < y->processes[0] ? -1 : 1;
	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return strcmp(x->headline, y->headline);
}

void analyse(struct model *m)
{
	wait_add_locks(m);
	for (size_t i = 0; i < sizeof(detectors) / sizeof(detectors[0]); i++)
		detectors[i](m);
	if (m->findings.count > 1)
		qsort(m->findings.items, m->findings.count, sizeof(m->findings.items[0]),
		      compare_findings);
}

/* The dead will never be seen otherwise. */
static bool is_to_be_confirmed(const struct model *m, const struct model_finding *f)
{
	return (f->kind == FINDING_DEADLOCK_CYCLE || f->kind == FINDING_DEAD_OWNER) &&
	       f->processes[0] != MODEL_NONE &&
	       m->processes.items[f->processes[0]].state == PROCESS_LIVE;
}

bool analysis_has_cycle(const struct model *m)
{
	for (uint32_t i = 0; i < m->findings.count; i++)
		if (is_to_be_confirmed(m, &m->findings.items[i]))
			return true;
	return false;
}

static pid_t pid_of(const struct model *m, uint32_t process)
{
	return process == MODEL_NONE ? 0 : m->processes.items[process].pid;
}

static bool has_same_processes(const struct model *m, const struct model_finding *f,
			       const struct model *again, const struct model_finding *other)
{
	for (uint32_t i = 0; i < FINDING_PIDS; i++)
		if (pid_of(m, f->processes[i]) != pid_of(again, other->processes[i]))
			return false;
	return f->process_count == other->process_count;
}

/* The identity is made of all requests. Headlines are no help: the second look knows no names of variables. */
static bool is_found_again(const struct model *m, const struct model_finding *f,
			   const struct model *again)
{
	for (uint32_t i = 0; i < again->findings.count; i++) {
		const struct model_finding *other = &again->findings.items[i];
		if (other->kind == f->kind && other->identity == f->identity &&
		    has_same_processes(m, f, again, other))
			return true;
	}
	return false;
}

static void forget_deadlock(struct model *m, uint32_t number)
{
	for (uint32_t i = 0; i < m->waits.count; i++) {
		struct model_wait *w = &m->waits.items[i];

		if (w->deadlock == number) {
			w->deadlock = 0;
			w->is_in_cycle = false;
			w->stuck_need = w->stuck_by = MODEL_NONE;
		}
	}
}

void analysis_confirm(struct model *m, const struct model *again)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];
		if (!is_to_be_confirmed(m, f) || is_found_again(m, f, again))
			m->findings.items[kept++] = *f;
		else if (f->deadlock)
			forget_deadlock(m, f->deadlock);
	}
	m->findings.count = kept;
}
