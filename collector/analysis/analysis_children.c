/*
 * unreaped-children: children that ended a while ago and that their parent did not wait for. Who
 * has a handler of SIGCHLD means to reap at once, so one child that it left is a warning (the
 * classic: several ended, their signals became one delivery, the handler reaps one). Who leaves
 * SIGCHLD alone may ask for the status when it suits him: a note, unless they have become many.
 *
 * Innocent are: SIGCHLD ignored, or SA_NOCLDWAIT (what is left then ended before that); a parent
 * that is about to reap: its child ended moments ago, or one of its threads is in wait(); one that
 * is stopped.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "collector/analysis/analysis_detect.h"

#define REAP_NS UINT64_C(5000000000) /* who is about to reap has done so by then */
#define MANY 8
#define PIDS_SHOWN 4

static bool catches_children(const struct model_signals *s)
{
	return s->caught >> (SIGCHLD - 1) & 1;
}

/* The recorded handler in force, MODEL_NONE. */
static uint32_t find_handler(const struct model *m, uint32_t process)
{
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].process == process && m->handlers.items[i].is_current &&
		    m->handlers.items[i].signo == SIGCHLD)
			return i;
	return MODEL_NONE;
}

static bool reaps_soon(const struct model *m, uint32_t process)
{
	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process != process)
			continue;
		if (t->syscall == SYS_wait4 || t->syscall == SYS_waitid || t->task_state == 'T' ||
		    t->task_state == 't')
			return true;
	}
	return false;
}

static bool is_left(const struct model *m, const struct model_zombie *z)
{
	return z->ended_ns && z->ended_ns + REAP_NS <= m->now_ns;
}

/* Children that are left, and when the first of them ended. */
struct left {
	uint32_t count;
	uint64_t since_ns;
	const char *pids; /* "12, 13 and 4 more" */
};

static struct left children_of(struct model *m, uint32_t process)
{
	struct left left = {.pids = ""};
	uint32_t shown = 0;

	for (uint32_t i = 0; i < m->zombies.count; i++) {
		const struct model_zombie *z = &m->zombies.items[i];

		if (z->parent != process || !is_left(m, z))
			continue;
		left.count++;
		if (!left.since_ns || z->ended_ns < left.since_ns)
			left.since_ns = z->ended_ns;
		if (shown < PIDS_SHOWN)
			left.pids = model_stringf(m, "%s%s%s (pid %d)", left.pids,
						  shown++ ? ", " : "", z->name, (int)z->pid);
	}
	if (left.count > shown)
		left.pids = model_stringf(m, "%s and %u more", left.pids, left.count - shown);
	return left;
}

/* What is known of the parent's ways with SIGCHLD. */
static const char *manner(struct model *m, const struct model_signals *s, uint32_t handler)
{
	const struct model_handler *h = handler == MODEL_NONE ? NULL : &m->handlers.items[handler];

	if (h && h->deliveries)
		return model_stringf(m, "recorded: its handler ran %llu time%s, last %s ago",
				     (unsigned long long)h->deliveries,
				     h->deliveries == 1 ? "" : "s",
				     analysis_duration_text(m, m->now_ns - h->last_ns));
	return catches_children(s) ? "it catches SIGCHLD" : "it leaves SIGCHLD alone";
}

static void report(struct model *m, const uint32_t *items, uint32_t count)
{
	struct model_finding *f = analysis_add(m, FINDING_UNREAPED_CHILDREN);
	const struct model_signals first = m->signals.items[items[0]];
	uint32_t handler = find_handler(m, first.process);
	struct left left = children_of(m, first.process);

	if (!f)
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct left others = children_of(m, m->signals.items[items[i]].process);

		f->count += others.count;
		analysis_add_process(f, m->signals.items[items[i]].process);
	}
	if (!catches_children(&first) && f->count < MANY * (uint64_t)count)
		f->severity = SEVERITY_NOTE;
	f->signo = SIGCHLD;
	if (handler != MODEL_NONE) {
		analysis_set_handler(m, f, handler, SIGCHLD);
		analysis_add_stack(f, m->handlers.items[handler].stack,
				   "the handler was installed here");
	}
	f->headline = model_stringf(
		m, "%s has %llu child%s that ended and that nobody waited for, the first %s ago",
		analysis_processes_text(m, f), (unsigned long long)f->count,
		f->count == 1 ? "" : "ren", analysis_duration_text(m, m->now_ns - left.since_ns));
	f->evidence = model_stringf(m, "observed: %s; %s, and none of its threads is in wait()",
				    left.pids, manner(m, &first, handler));
}

static int compare_parents(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_signals *s = &m->signals.items[a], *t = &m->signals.items[b];
	int order = catches_children(s) - catches_children(t);

	return order ? order : analysis_compare_programs(m, s->process, t->process);
}

static bool leaves_children(struct model *m, const struct model_signals *s)
{
	uint32_t handler = find_handler(m, s->process);

	if (s->ignored >> (SIGCHLD - 1) & 1 || reaps_soon(m, s->process))
		return false;
	if (handler != MODEL_NONE && m->handlers.items[handler].flags & SA_NOCLDWAIT)
		return false;
	return children_of(m, s->process).count > 0;
}

void detect_children(struct model *m)
{
	uint32_t count = 0, *items = calloc(m->signals.count + (size_t)1, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; m->zombies.count && i < m->signals.count; i++)
		if (leaves_children(m, &m->signals.items[i]))
			items[count++] = i;
	analysis_group(m, items, count, compare_parents, report);
	free(items);
}
