/*
 * Signals that stay pending: see signals.h. One look does not tell (pending.h), so whoever may hold
 * back one is looked at again and again.
 */
#include "config.h"

#include <stdlib.h>
#include <time.h>

#include "collector/proc/pending.h"
#include "collector/source/signals.h"

#define WATCHED_MAX 64
#define LOOKS 20 /* within the threshold */

struct watched {
	uint32_t process;
	uint64_t switches;
	struct model_held_back held;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

/* What a handler that is running blocks until it returns. What nested ones do is not all known. */
static uint64_t blocked_by_handler(const struct model *m, const struct model_thread *t)
{
	uint64_t mask = bit(t->handler_signo);

	if (t->handler_depth > 1)
		return UINT64_MAX;
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].process == t->process &&
		    m->handlers.items[i].signo == t->handler_signo)
			mask |= m->handlers.items[i].mask;
	return mask;
}

static uint64_t blocked_by_handlers(const struct model *m, uint32_t process)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].process == process && m->threads.items[i].handler_depth &&
		    m->threads.items[i].handler_signo > 0)
			mask |= blocked_by_handler(m, &m->threads.items[i]);
	return mask;
}

/* What is pending for another reason than that somebody forgot it. */
static uint64_t expected(struct gather *g, uint32_t process)
{
	uint64_t signals;

	if (pending_expected(g->proc, g->m->processes.items[process].pid, &signals))
		return signals | blocked_by_handlers(g->m, process);
	model_note(g->m, "whether some processes take signals by signalfd() could not be seen");
	return UINT64_MAX;
}

static bool has_pending(const struct model *m, const struct model_signals *s)
{
	bool has = s->pending;

	for (uint32_t i = 0; !has && i < m->threads.count; i++)
		has = m->threads.items[i].process == s->process && m->threads.items[i].pending;
	return has;
}

/* The first look. */
static void begin(struct gather *g, uint32_t process, struct watched *w)
{
	struct pending look = pending_look(g->proc, g->m->processes.items[process].pid);

	*w = (struct watched){.process = process, .switches = look.switches};
	w->held.signals = look.held_back;
	if (w->held.signals)
		w->held.signals &= ~expected(g, process);
	w->held.since_ns = w->held.last_ns = now_ns();
	w->held.looks = 1;
	w->held.has_run = look.is_awake;
}

static uint32_t begin_all(struct gather *g, struct watched *list)
{
	uint32_t count = 0, left = 0;
	struct watched w;

	for (uint32_t i = 0; i < g->m->signals.count; i++) {
		if (!has_pending(g->m, &g->m->signals.items[i]))
			continue;
		begin(g, g->m->signals.items[i].process, &w);
		if (w.held.signals && count < WATCHED_MAX)
			list[count++] = w;
		else
			left += w.held.signals != 0;
	}
	if (left)
		model_note(g->m, "the pending signals of %u more processes were looked at once",
			   left);
	return count;
}

/* Whether something is pending still. */
static bool look_again(struct gather *g, struct watched *w)
{
	struct pending look;

	if (!w->held.signals)
		return false;
	look = pending_look(g->proc, g->m->processes.items[w->process].pid);
	w->held.has_run |= look.is_awake || look.switches != w->switches;
	w->held.signals &= look.held_back;
	w->held.last_ns = now_ns();
	w->held.looks++;
	return w->held.signals;
}

static void watch(struct gather *g, struct watched *list, uint32_t count)
{
	uint64_t threshold =
			 g->options->threshold_ns ? g->options->threshold_ns : COLLECT_THRESHOLD_NS,
		 began = now_ns(), wait = threshold / LOOKS;
	const struct timespec pause = {(time_t)(wait / UINT64_C(1000000000)),
				       (long)(wait % UINT64_C(1000000000))};
	bool has_any = count;

	while (has_any && now_ns() - began < threshold) {
		nanosleep(&pause, NULL);
		has_any = false;
		for (uint32_t i = 0; i < count; i++)
			has_any |= look_again(g, &list[i]);
	}
}

void signals_watch(struct gather *g)
{
	struct watched list[WATCHED_MAX];
	uint32_t count = proc_is_recorded(g->proc) ? 0 : begin_all(g, list);

	watch(g, list, count);
	for (uint32_t i = 0; i < count; i++)
		if (list[i].held.signals)
			g->m->processes.items[list[i].process].held_back = list[i].held;
}
