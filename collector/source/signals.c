/* See signals.h. */
#include "config.h"

#include "collector/source/signals.h"

#include "collector/proc/task_signals.h"

#define PROCESSES_MAX 1000

/* SIGCANCEL and SIGSETXID of glibc (nptl(7)): no program can have a handler for them. */
#define LIBC_SIGNALS (UINT64_C(3) << 31)

static int read_thread(struct gather *g, uint32_t thread, struct task_signals *signals)
{
	struct model_thread *t = &g->m->threads.items[thread];
	int error =
		proc_read_signals(g->proc, g->m->processes.items[t->process].pid, t->tid, signals);

	if (error)
		return error;
	t->has_signals = true;
	t->blocked = signals->blocked;
	t->pending = signals->pending;
	return 0;
}

static void add_process(struct gather *g, uint32_t process, const struct task_signals *s)
{
	uint32_t i = model_add_signals(g->m);

	if (i != MODEL_NONE)
		g->m->signals.items[i] = (struct model_signals){
			.process = process,
			.caught = s->caught & ~LIBC_SIGNALS,
			.ignored = s->ignored & ~LIBC_SIGNALS,
			.pending = s->shared_pending,
			.queued = s->queued,
			.queue_limit = s->queue_limit,
		};
}

static void read_process(struct gather *g, uint32_t process)
{
	struct task_signals signals;
	bool has_any = false;

	tasks_read_process(g, process);
	for (uint32_t i = 0; i < g->m->threads.count; i++)
		if (g->m->threads.items[i].process == process)
			has_any |= !read_thread(g, i, &signals);
	if (has_any)
		add_process(g, process, &signals);
	else
		model_note(g->m, "the signals of some processes could not be read");
}

static void read_sleeps(struct gather *g, uint32_t process, uint32_t thread)
{
	struct model_thread *t = thread == MODEL_NONE ? NULL : &g->m->threads.items[thread];
	struct task_signals signals;

	if (!t || t->sleeps || g->m->processes.items[process].state != PROCESS_LIVE ||
	    proc_read_signals(g->proc, g->m->processes.items[process].pid, t->tid, &signals))
		return;
	t->sleeps = signals.sleeps;
	t->sleep_mask = signals.blocked;
}

void signals_read_sleeps(struct gather *g)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->interruptions.count; i++)
		read_sleeps(g, m->interruptions.items[i].process, m->interruptions.items[i].thread);
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].returned_tid)
			read_sleeps(g, m->handlers.items[i].process,
				    model_find_thread(m, m->handlers.items[i].process,
						      m->handlers.items[i].returned_tid));
}

void signals_read(struct gather *g)
{
	const struct model *m = g->m;
	uint32_t done = 0, left = 0;

	for (uint32_t i = 0; i < m->processes.count; i++) {
		if (!m->processes.items[i].is_target || m->processes.items[i].state != PROCESS_LIVE)
			continue;
		if (done++ < PROCESSES_MAX)
			read_process(g, i);
		else
			left++;
	}
	zombies_read(g);
	servers_read(g);
	if (left)
		model_note(g->m, "the signals of %u more processes were not looked at", left);
}
