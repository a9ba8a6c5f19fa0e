/* Which thread of a process waits, of those whose state was read; see owners.h. */
#include "config.h"

#include <string.h>

#include "collector/proc/held.h"
#include "collector/proc/lock_call.h"
#include "collector/source/owners.h"

struct waits {
	struct gather *g;
	struct index of; /* process -> requests without a thread */
};

static bool is_range_of(const struct model_lock *l, const struct lock_call *call)
{
	return !call->has_range ||
	       (l->mode == call->mode && l->start == call->start && l->end == call->end);
}

static bool is_request_of(const struct waits *x, const struct model_lock *l, pid_t tid,
			  const struct lock_call *call, bool is_alone)
{
	if (l->thread != MODEL_NONE || l->kind != call->kind || !is_range_of(l, call))
		return false;
	return is_alone || held_is_open_on(x->g->proc, tid, call->fd,
					   x->g->m->resources.items[l->resource].ino, NULL);
}

/* A request of the process that no thread is known for is this one's, if it asks for the same. */
static void name_waiter(const struct waits *x, uint32_t thread)
{
	struct model *m = x->g->m;
	const struct model_thread *t = &m->threads.items[thread];
	uint32_t n = index_first(&x->of, t->process);
	bool is_alone = !m->processes.items[t->process].has_children_threads;
	struct proc_syscall sc = {.number = t->syscall, .sp = t->sp, .pc = t->pc};
	struct lock_call call;

	memcpy(sc.args, t->syscall_args, sizeof(sc.args));
	if (n == UINT32_MAX || !lock_call_decode(&sc, &call))
		return;
	if (!is_alone)
		lock_call_read_range(x->g->proc, t->tid, &call);
	for (; n != UINT32_MAX; n = index_next(&x->of, n)) {
		struct model_lock *l = &m->locks.items[x->of.entries[n].value];

		if (!is_request_of(x, l, t->tid, &call, is_alone))
			continue;
		l->thread = thread;
		return;
	}
}

void owners_name_waiters(struct gather *g, uint32_t first)
{
	const struct model *m = g->m;
	struct waits x = {.g = g};
	bool is_ok = true;

	for (uint32_t i = 0; is_ok && i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->state == LOCK_WAITING && l->process != MODEL_NONE && l->thread == MODEL_NONE)
			is_ok = index_add(&x.of, l->process, i);
	}
	for (uint32_t i = first; is_ok && i < m->threads.count; i++)
		name_waiter(&x, i);
	index_done(&x.of);
}
