/*
 * Source: what the threads that matter are doing now: those whose call in a handler has not
 * returned, of processes that hold and wait (a deadlock is called so only when all their threads
 * are stuck), of holders others wait for, and of waiters. The number of the latter two is bounded:
 * reading one thread costs some 20 us, and of a thousand equal waiters the first tell enough.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/arch/syscall_name.h"
#include "collector/proc/lock_call.h"
#include "collector/source/owners.h"
#include "collector/source/source.h"

#define PROCESSES_MAX 64        /* that only wait, or only hold */
#define PROCESSES_MAX_BOTH 5000 /* in any case */
#define SINCE_MAX 64            /* since when somebody asks costs some 100 us to know */

enum interest {
	INTEREST_NONE,
	INTEREST_WAITER = 1,
	INTEREST_HOLDER = 2,
	INTEREST_BOTH = 3,
	INTEREST_CALL = 4,
	INTEREST_LEVELS = 8
};

static void raise_interest(uint8_t *interests, uint32_t process, enum interest interest)
{
	if (process != MODEL_NONE)
		interests[process] |= interest;
}

static void find_interests(const struct model *m, uint8_t *interests)
{
	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].call != MODEL_NONE)
			raise_interest(interests, m->threads.items[i].process, INTEREST_CALL);
	for (uint32_t i = 0; i < m->interruptions.count; i++)
		raise_interest(interests, m->interruptions.items[i].process, INTEREST_CALL);
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].returned_tid)
			raise_interest(interests, m->handlers.items[i].process, INTEREST_CALL);
	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->state == LOCK_HELD || l->evidence == EVIDENCE_STALE)
			continue;
		raise_interest(interests, l->process, INTEREST_WAITER);
		if (l->blocker != MODEL_NONE && m->locks.items[l->blocker].state == LOCK_HELD)
			raise_interest(interests, m->locks.items[l->blocker].process,
				       INTEREST_HOLDER);
	}
}

/* The kernel names the thread that traces. */
static const char *name_tracer(struct gather *g, pid_t tracer)
{
	static const char key[] = "\nTgid:";
	char comm[64], text[512], *line;

	if (proc_read_some(g->proc, text, sizeof(text), "%d/status", tracer) > 0 &&
	    (line = strstr(text, key)))
		tracer = atoi(line + strlen(key));

	if (proc_read_some(g->proc, comm, sizeof(comm), "%d/comm", tracer) <= 0)
		return model_stringf(g->m, "pid %d", tracer);
	return model_stringf(g->m, "%.*s (pid %d)", (int)strcspn(comm, "\n"), comm, tracer);
}

/* "Name:" and "TracerPid:" of its status. */
static void read_status(struct gather *g, uint32_t thread, pid_t pid)
{
	static const char key[] = "\nTracerPid:";
	struct model_thread *t = &g->m->threads.items[thread];
	char text[4096], *line;

	if (proc_read_some(g->proc, text, sizeof(text), "%d/task/%d/status", pid, t->tid) <= 0)
		return;
	line = strstr(text, key);
	if (line && atoi(line + strlen(key)))
		t->tracer = name_tracer(g, atoi(line + strlen(key)));
	if (!strncmp(text, "Name:\t", 6)) {
		text[strcspn(text, "\n")] = 0;
		t->name = model_string(g->m, text + 6);
	}
}

/* What a thread that sleeps is waiting for, as far as the kernel has a word for it. */
static void read_wait(struct gather *g, uint32_t thread, pid_t pid)
{
	struct model_thread *t = &g->m->threads.items[thread];
	char text[512];

	if (t->task_state == 'D' &&
	    proc_read_some(g->proc, text, sizeof(text), "%d/task/%d/wchan", pid, t->tid) > 0 &&
	    strcmp(text, "0"))
		t->wchan = model_string(g->m, text);
	if (syscall_has_descriptor(t->syscall) &&
	    !proc_readlink(g->proc, text, sizeof(text), "%d/fd/%d", pid, (int)t->syscall_args[0]))
		t->waits_on = model_string(g->m, text);
}

/* The first number of schedstat: the scheduler counts while the thread runs, and only then. */
static uint64_t read_ran(const struct proc *proc, pid_t pid, pid_t tid)
{
	char text[128];

	if (proc_read_some(proc, text, sizeof(text), "%d/task/%d/schedstat", pid, tid) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
}

/* Since when it asks, where no record says it. */
static uint64_t read_since(struct gather *g, pid_t pid, pid_t tid)
{
	uint64_t asleep_ns, now = g->m->now_ns;

	if (g->asked_since >= SINCE_MAX)
		return 0;
	g->asked_since++;
	if (!now || !proc_asleep_ns(g->proc, pid, tid, &asleep_ns) || asleep_ns >= now)
		return 0;
	return now - asleep_ns;
}

static void read_thread(struct gather *g, uint32_t process, pid_t tid)
{
	pid_t pid = g->m->processes.items[process].pid;
	struct proc_stat st;
	struct proc_syscall sc;
	struct lock_call call;

	if (proc_read_task_stat(g->proc, pid, tid, &st))
		return;
	uint32_t i = gather_thread(g, process, tid);

	if (i == MODEL_NONE)
		return;
	struct model_thread *t = &g->m->threads.items[i];

	t->task_state = st.state;
	t->ran_ns = read_ran(g->proc, pid, tid);
	if (proc_read_syscall(g->proc, pid, tid, &sc) || sc.is_running)
		return;
	t->syscall = sc.number;
	memcpy(t->syscall_args, sc.args, sizeof(t->syscall_args));
	t->sp = sc.sp;
	t->pc = sc.pc;
	if (!t->asleep_since_ns && lock_call_decode(&sc, &call))
		t->asleep_since_ns = read_since(g, pid, tid);
}

void tasks_read_process(struct gather *g, uint32_t process)
{
	int *tids;
	ssize_t count = proc_list_tasks(g->proc, &tids, g->m->processes.items[process].pid);

	if (count < 0)
		return;
	for (ssize_t i = 0; i < count; i++)
		read_thread(g, process, tids[i]);
	free(tids);
	if (count > 1)
		g->m->processes.items[process].has_children_threads = true;
}

/* Of those who are not chosen but stand in the way of who is. */
static bool is_unread(const struct model *m, uint32_t process)
{
	uint32_t thread = model_find_thread(m, process, m->processes.items[process].pid);

	return thread == MODEL_NONE || !m->threads.items[thread].task_state;
}

void tasks_read_targets(struct gather *g)
{
	struct model *m = g->m;
	uint32_t others = 0;

	for (uint32_t i = 0; i < m->processes.count; i++) {
		if (m->processes.items[i].state != PROCESS_LIVE)
			continue;
		if (m->processes.items[i].is_target ||
		    (others < PROCESSES_MAX && is_unread(m, i) && ++others))
			tasks_read_process(g, i);
	}
	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_process *p = &m->processes.items[m->threads.items[i].process];

		if (p->state != PROCESS_LIVE)
			continue;
		if (p->is_target)
			read_status(g, i, p->pid);
		read_wait(g, i, p->pid);
	}
}

/* Those that have not been looked at yet, the most interesting first. How many are left. */
static uint32_t read_interesting(struct gather *g, const uint8_t *interests, uint32_t count)
{
	const struct model *m = g->m;
	uint32_t done = 0, left = 0;

	for (int level = INTEREST_LEVELS - 1; level > INTEREST_NONE; level--) {
		uint32_t limit = level >= INTEREST_BOTH ? PROCESSES_MAX_BOTH : PROCESSES_MAX;

		for (uint32_t i = 0; i < count; i++) {
			if (interests[i] != level || m->processes.items[i].state != PROCESS_LIVE)
				continue;
			if (done++ < limit)
				tasks_read_process(g, i);
			else
				left++;
		}
	}
	return left;
}

/* The number of interesting processes that are left. Threads before `first` have their requests. */
static uint32_t read_tasks(struct gather *g, uint32_t first)
{
	struct model *m = g->m;
	uint32_t count = m->processes.count, left = 0;
	uint8_t *interests = calloc(count + (size_t)1, 1);

	if (!interests) {
		m->out_of_memory = true;
		return 0;
	}
	find_interests(m, interests);
	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].task_state)
			interests[m->threads.items[i].process] = INTEREST_NONE;
	left = read_interesting(g, interests, count);
	free(interests);
	owners_name_waiters(g, first);
	return left;
}

static void note_left(struct gather *g, uint32_t left)
{
	if (left)
		model_note(g->m, "the threads of %u more processes were not looked at", left);
}

void tasks_read_rest(struct gather *g)
{
	note_left(g, read_tasks(g, g->m->threads.count));
}

static int collect(struct gather *g, struct collect_error *error)
{
	uint32_t left = read_tasks(g, 0);

	(void)error;
	if (!g->options->target_count) /* else the limits are used again, for what they concern */
		note_left(g, left);
	return 0;
}

const struct source source_tasks = {"tasks", collect};
