/*
 * Who waits for what: of the processes that are looked at anyway, and of all that those wait for,
 * and so on. See waits.h.
 */
#include "config.h"

#include "collector/source/waits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/proc/lock_call.h"

#define PROCESSES_MAX 5000 /* that are looked at */
#define WAITS_MAX 50000
#define WAYS_MAX 4096       /* of one need */
#define SINCE_MAX 64        /* since when somebody sleeps costs some 100 us to know */
#define MEMORY_MAX 16777216 /* of one read */

/* --- what the kinds use ----------------------------------------------------------------------- */

static struct model_wait *wait_of(struct waiting *w)
{
	return &w->m->waits.items[w->wait];
}

static const char *format_text(struct model *m, const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0) {
		m->out_of_memory = true;
		return "";
	}
	const char *copy = model_string(m, text);

	free(text);
	return copy;
}

void waiting_is(struct waiting *w, enum wait_kind kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	wait_of(w)->kind = kind;
	wait_of(w)->object = format_text(w->m, format, arguments);
	va_end(arguments);
}

void waiting_unseen(struct waiting *w, const char *format, ...)
{
	va_list arguments;

	if (wait_of(w)->unseen)
		return;
	va_start(arguments, format);
	wait_of(w)->unseen = format_text(w->m, format, arguments);
	va_end(arguments);
}

void waiting_until(struct waiting *w, uint64_t ns)
{
	struct model_wait *wait = wait_of(w);

	if (!wait->until_ns || ns < wait->until_ns)
		wait->until_ns = ns;
}

void waiting_for(struct waiting *w, uint64_t ns)
{
	uint64_t since = wait_of(w)->since_ns;

	waiting_until(w, since && ns < UINT64_MAX - since ? since + ns : UINT64_MAX);
}

void waiting_need(struct waiting *w)
{
	w->need = model_add_need(w->m, w->wait);
}

static bool has_way(const struct waiting *w, uint32_t process, uint32_t thread)
{
	const struct model_need *need = &w->m->needs.items[w->need];

	for (uint32_t i = 0; i < need->way_count; i++) {
		const struct model_way *way = &w->m->ways.items[need->first_way + i];

		if (way->process == process && way->thread == thread)
			return true;
	}
	return false;
}

void waits_look_at(struct waits *all, uint32_t process)
{
	struct model *m = all->g->m;
	pid_t pid = m->processes.items[process].pid;

	if (index_first(&all->queued, pid) != UINT32_MAX)
		return;
	if (all->queue.count == all->queue.room) {
		uint32_t room = all->queue.room ? all->queue.room * 2 : 64;
		uint32_t *grown = reallocarray(all->queue.items, room, sizeof(*grown));

		if (!grown) {
			m->out_of_memory = true;
			return;
		}
		all->queue.items = grown;
		all->queue.room = room;
	}
	all->queue.items[all->queue.count] = process;
	if (index_add(&all->queued, pid, all->queue.count))
		all->queue.count++;
	else
		m->out_of_memory = true;
}

bool waiting_way(struct waiting *w, pid_t pid, pid_t tid, const char *how)
{
	uint32_t process = gather_process(w->all->g, pid);
	uint32_t thread = tid ? gather_thread(w->all->g, process, tid) : MODEL_NONE;

	if (process == MODEL_NONE || w->need == MODEL_NONE)
		return false;
	waits_look_at(w->all, process);
	if (has_way(w, process, thread))
		return true;
	if (w->m->needs.items[w->need].way_count >= WAYS_MAX) {
		waiting_unseen(w, "there are more than %d of them", WAYS_MAX);
		return true;
	}
	uint32_t i = model_add_way(w->m, w->need);

	if (i == MODEL_NONE)
		return false;
	w->m->ways.items[i] = (struct model_way){.process = process, .thread = thread, .how = how};
	return true;
}

bool waiting_read(struct waiting *w, uint64_t address, void *data, size_t size)
{
	return size <= MEMORY_MAX &&
	       proc_read_memory(w->all->g->proc, w->tid, address, data, size) == (ssize_t)size;
}

const char *waits_name(struct waits *all, pid_t pid)
{
	uint32_t process = gather_process(all->g, pid);

	if (process == MODEL_NONE)
		return model_stringf(all->g->m, "pid %d", pid);
	return model_stringf(all->g->m, "%s (pid %d)", all->g->m->processes.items[process].name,
			     pid);
}

/* --- one thread ------------------------------------------------------------------------------- */

static void wait_stopped(struct waiting *w)
{
	struct proc_stat st;
	bool has_parent = !proc_read_stat(w->all->g->proc, w->pid, &st) && st.ppid > 0;

	waiting_is(w, WAIT_STOPPED, "SIGCONT");
	waiting_need(w);
	if (has_parent)
		waiting_unseen(w, "any process may send it; its parent is %s",
			       waits_name(w->all, st.ppid));
	else
		waiting_unseen(w, "any process may send it");
}

/* The kernel names the thread that traces. */
static void wait_traced(struct waiting *w)
{
	static const char key[] = "\nTgid:";
	char text[512];
	pid_t tracer = w->task.tracer;
	const char *line;

	if (proc_read_some(w->all->g->proc, text, sizeof(text), "%d/status", tracer) > 0 &&
	    (line = strstr(text, key)))
		tracer = atoi(line + strlen(key));
	waiting_is(w, WAIT_TRACED, "its tracer %s", waits_name(w->all, tracer));
	waiting_need(w);
	if (!tracer || !waiting_way(w, tracer, 0, "traces it"))
		waiting_unseen(w, "its tracer cannot be seen");
}

/* False: it does not wait, or a lock's list tells all about it. */
static bool is_waiting(const struct waiting *w)
{
	struct lock_call lock;

	if (w->task.state == 'T' || w->task.state == 't')
		return true;
	if (w->task.state != 'S' && w->task.state != 'D')
		return false;
	return !w->call.is_running && !lock_call_decode(&w->call, &lock);
}

static int look(struct waiting *w)
{
	const struct proc *proc = w->all->g->proc;
	int error = proc_read_task(proc, w->pid, w->tid, &w->task);

	if (error)
		return error;
	error = proc_read_syscall(proc, w->pid, w->tid, &w->call);
	/* Whose calls may not be seen may be stopped, all the same. */
	if (error && (w->task.state == 'T' || w->task.state == 't')) {
		w->call = (struct proc_syscall){.is_running = true, .number = -1};
		error = 0;
	}
	return error;
}

/* It has not run since. */
static bool has_stayed(const struct waiting *w)
{
	struct waiting now = *w;
	const struct proc_syscall *a = &w->call, *b = &now.call;

	return !look(&now) && now.task.switches == w->task.switches &&
	       now.task.state == w->task.state && a->is_running == b->is_running &&
	       a->number == b->number && a->sp == b->sp && a->pc == b->pc &&
	       !memcmp(a->args, b->args, sizeof(a->args));
}

static void set_since(struct waiting *w)
{
	struct model_wait *wait = wait_of(w);

	if (w->all->asked_since >= SINCE_MAX)
		return;
	w->all->asked_since++;
	if (proc_asleep_ns(w->all->g->proc, w->pid, w->tid, &w->asleep_ns) &&
	    w->asleep_ns < waits_now_ns())
		wait->since_ns = waits_now_ns() - w->asleep_ns;
}

static void find(struct waiting *w)
{
	set_since(w);
	if (w->task.state == 't')
		wait_traced(w);
	else if (w->task.state == 'T')
		wait_stopped(w);
	else
		waiting_in_call(w);
}

/* Everything about a thread that went on is taken back. */
static void look_at_thread(struct waiting *w)
{
	struct model *m = w->m;
	uint32_t waits = m->waits.count, needs = m->needs.count, ways = m->ways.count;

	if (look(w) || !is_waiting(w) || waits >= WAITS_MAX)
		return;
	w->wait = model_add_wait(m);
	if (w->wait == MODEL_NONE)
		return;
	wait_of(w)->kind = WAIT_UNKNOWN;
	wait_of(w)->process = w->process;
	wait_of(w)->thread = w->thread;
	wait_of(w)->request = w->task.switches + 1;
	find(w);
	bool is_there = has_stayed(w);
	struct model_wait wait = *wait_of(w);

	if (is_there && !w->lock.use)
		return;
	m->waits.count = waits;
	m->needs.count = needs;
	m->ways.count = ways;
	if (is_there)
		waiting_add_lock(w, &wait);
}

/* --- all ----------------------------------------------------------------------------------------
 */

/* A record tells more of it, or /proc/locks. */
static bool has_wait(const struct model *m, uint32_t thread, uint32_t waits, uint32_t locks)
{
	for (uint32_t i = 0; i < locks; i++)
		if (m->locks.items[i].thread == thread && m->locks.items[i].state == LOCK_WAITING &&
		    m->locks.items[i].evidence != EVIDENCE_STALE)
			return true;
	for (uint32_t i = 0; i < waits; i++)
		if (m->waits.items[i].thread == thread)
			return true;
	return false;
}

static void look_at_process(struct waits *all, uint32_t process)
{
	struct gather *g = all->g;

	if (g->m->processes.items[process].state != PROCESS_LIVE)
		return;
	tasks_read_process(g, process);
	uint32_t count = g->m->threads.count;

	for (uint32_t i = 0; i < count; i++) {
		struct waiting w = {.all = all,
				    .m = g->m,
				    .process = process,
				    .thread = i,
				    .pid = g->m->processes.items[process].pid,
				    .tid = g->m->threads.items[i].tid,
				    .need = MODEL_NONE};

		if (g->m->threads.items[i].process == process &&
		    !has_wait(g->m, i, all->recorded_waits, all->recorded_locks))
			look_at_thread(&w);
	}
}

/* Whose threads were looked at already: the targets, who waits, and who holds what others want. */
static void enqueue_interesting(struct waits *all)
{
	const struct gather *g = all->g;

	for (uint32_t i = 0; g->options->target_count && i < g->m->processes.count; i++)
		if (g->m->processes.items[i].is_target)
			waits_look_at(all, i);
	for (uint32_t i = 0; i < g->m->threads.count; i++)
		if (g->m->threads.items[i].task_state)
			waits_look_at(all, g->m->threads.items[i].process);
}

void waits_collect(struct gather *g)
{
	struct waits all = {
		.g = g, .recorded_waits = g->m->waits.count, .recorded_locks = g->m->locks.count};
	uint32_t done = 0;

	enqueue_interesting(&all);
	for (; done < all.queue.count && done < PROCESSES_MAX; done++)
		look_at_process(&all, all.queue.items[done]);
	if (done < all.queue.count)
		model_note(g->m, "what %u more processes wait for was not looked at",
			   all.queue.count - done);
	if (g->m->waits.count >= WAITS_MAX)
		model_note(g->m, "only the first %d waits are told", WAITS_MAX);
	ends_free(all.ends);
	free(all.queue.items);
	index_done(&all.queued);
}
