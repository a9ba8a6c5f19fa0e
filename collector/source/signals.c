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

void signals_read_sleeps(struct gather *g)
{
	struct model *m = g->m;
	struct task_signals signals;

	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		uint32_t thread = m->interruptions.items[i].thread,
			 process = m->interruptions.items[i].process;
		struct model_thread *t = thread == MODEL_NONE ? NULL : &m->threads.items[thread];

		if (t && !t->sleeps && m->processes.items[process].state == PROCESS_LIVE &&
		    !proc_read_signals(g->proc, m->processes.items[process].pid, t->tid, &signals))
			t->sleeps = signals.sleeps;
	}
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
