/*
 * Signals that stay pending: see signals.h. One look shows signals that are on their way, too, and
 * what a critical section keeps out for a moment. A thread in sigwait() or ppoll() does not block
 * what it waits for, as the kernel has it; who reads a signalfd blocks its signals for good, and is
 * left out.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "collector/proc/task_signals.h"
#include "collector/source/signals.h"

#define WATCHED_MAX 64
#define LOOKS 20 /* within the threshold */
#define DESCRIPTORS_MAX 4096

struct watched {
	uint32_t signals; /* into model.signals */
	uint64_t stuck, switches;
	uint32_t looks;
	bool has_run;
};

struct look {
	uint64_t stuck, switches;
	bool is_awake; /* one of its threads is running */
};

static uint64_t bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

/* Those of which somebody would notice that they were delivered. */
static uint64_t noticed(uint64_t caught, uint64_t ignored)
{
	uint64_t harmless = bit(SIGCHLD) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGCONT);

	return ~ignored & ~(harmless & ~caught);
}

/* Of one thread into the process's. False: it cannot take signals now, whatever it blocks. */
static bool add_thread(struct look *look, const struct task_signals *s, uint64_t *blocked,
		       uint64_t *own)
{
	if (strchr("TtZX", s->state))
		return false;
	*blocked &= s->blocked;
	*own |= s->pending & s->blocked;
	look->switches += s->switches;
	look->is_awake |= s->state == 'R';
	return true;
}

/* stuck is 0 for a process that is stopped, traced, or gone. */
static struct look look_at(const struct proc *proc, pid_t pid)
{
	uint64_t blocked = UINT64_MAX, own = 0;
	struct task_signals s = {0};
	struct look look = {0};
	int *tids;
	ssize_t count = proc_list_tasks(proc, &tids, pid);
	bool can_take = count > 0;

	for (ssize_t i = 0; can_take && i < count; i++)
		can_take = !proc_read_signals(proc, pid, tids[i], &s) &&
			   add_thread(&look, &s, &blocked, &own);
	if (count >= 0)
		free(tids);
	if (can_take)
		look.stuck = ((s.shared_pending & blocked) | own) & noticed(s.caught, s.ignored);
	return look;
}

/* What it takes by signalfd(). False: that cannot be seen. */
static bool read_signalfds(const struct proc *proc, pid_t pid, uint64_t *taken)
{
	char text[512];
	int *fds;
	ssize_t count = proc_list(proc, &fds, "%d/fd", (int)pid);

	if (count < 0)
		return false;
	for (ssize_t i = 0; i < count && i < DESCRIPTORS_MAX; i++) {
		unsigned long long mask;
		const char *line;

		if (proc_readlink(proc, text, sizeof(text), "%d/fd/%d", (int)pid, fds[i]) ||
		    !strstr(text, "[signalfd]") ||
		    proc_read_some(proc, text, sizeof(text), "%d/fdinfo/%d", (int)pid, fds[i]) <= 0)
			continue;
		line = strstr(text, "sigmask:");
		if (line && sscanf(line, "sigmask: %llx", &mask) == 1)
			*taken |= mask;
	}
	free(fds);
	return true;
}

/* It waits for its children: system() and its kin block SIGCHLD meanwhile. */
static bool waits_for_children(const struct model *m, uint32_t process)
{
	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process == process && (t->syscall == SYS_wait4 || t->syscall == SYS_waitid))
			return true;
	}
	return false;
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
	uint64_t taken = blocked_by_handlers(g->m, process);

	if (waits_for_children(g->m, process))
		taken |= bit(SIGCHLD);

	if (read_signalfds(g->proc, g->m->processes.items[process].pid, &taken))
		return taken;
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

static uint32_t begin(struct gather *g, struct watched *list)
{
	uint32_t count = 0, left = 0;

	for (uint32_t i = 0; i < g->m->signals.count; i++) {
		uint32_t process = g->m->signals.items[i].process;
		struct look look = {0};

		if (has_pending(g->m, &g->m->signals.items[i]))
			look = look_at(g->proc, g->m->processes.items[process].pid);
		if (look.stuck)
			look.stuck &= ~expected(g, process);
		if (look.stuck && count < WATCHED_MAX)
			list[count++] =
				(struct watched){i, look.stuck, look.switches, 1, look.is_awake};
		else
			left += look.stuck != 0;
	}
	if (left)
		model_note(g->m, "the pending signals of %u more processes were looked at once",
			   left);
	return count;
}

/* Whether something is pending still. */
static bool look_again(struct gather *g, struct watched *w)
{
	uint32_t process = g->m->signals.items[w->signals].process;
	struct look look;

	if (!w->stuck)
		return false;
	look = look_at(g->proc, g->m->processes.items[process].pid);
	w->has_run |= look.is_awake || look.switches != w->switches;
	w->stuck &= look.stuck;
	w->looks++;
	return w->stuck;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* How long it was looked at, all in all. */
static uint64_t watch(struct gather *g, struct watched *list, uint32_t count)
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
	return now_ns() - began;
}

void signals_watch(struct gather *g)
{
	struct watched list[WATCHED_MAX];
	uint32_t count = proc_is_recorded(g->proc) ? 0 : begin(g, list);
	uint64_t lasted = watch(g, list, count);

	for (uint32_t i = 0; i < count; i++) {
		struct model_signals *s = &g->m->signals.items[list[i].signals];

		s->stuck = list[i].stuck;
		s->stuck_ns = list[i].stuck ? lasted : 0;
		s->stuck_looks = list[i].looks;
		s->has_run = list[i].has_run;
	}
}
