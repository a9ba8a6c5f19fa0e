/*
 * What /proc/locks did not show although it is on record, asked of the processes themselves; see
 * owners.h.
 */
#include "config.h"

#include "collector/graph.h"
#include "collector/held.h"
#include "collector/owners.h"

#define CONFIRM_MAX 1000 /* records that /proc/locks did not confirm, asked about one by one */

struct confirmation {
	const struct model_lock *l;
	uint64_t ino;
	bool is_held;
};

static bool confirm(pid_t pid, int fd, const struct kernel_lock *held, void *data)
{
	struct confirmation *c = data;

	(void)pid;
	(void)fd;
	c->is_held = held->kind == c->l->kind && held->mode == c->l->mode && held->ino == c->ino &&
		     held->start == c->l->start && held->end == c->l->end;
	return c->is_held;
}

static bool is_held(const struct gather *g, const struct model_lock *l)
{
	struct confirmation c = {.l = l, .ino = g->m->resources.items[l->resource].ino};
	pid_t pid = g->m->processes.items[l->process].pid;

	if (!held_by_fd(g->proc, pid, l->fd, confirm, &c) && l->kind != LOCK_POSIX)
		held_by_process(g->proc, pid, confirm, &c); /* through a duplicate */
	return c.is_held;
}

static bool is_waiting(const struct gather *g, const struct model_lock *l)
{
	struct proc_syscall sc;

	return l->thread != MODEL_NONE &&
	       !proc_read_syscall(g->proc, g->m->processes.items[l->process].pid,
				  g->m->threads.items[l->thread].tid, &sc) &&
	       owners_is_lock_call(&sc, l->kind) && (int)sc.args[0] == l->fd;
}

/* A hold that was seen meanwhile, or another process's share of it: the later reading
 * is no proof. */
static bool has_rival(const struct gather *g, uint32_t lock)
{
	const struct model_lock *locks = g->m->locks.items, *l = &locks[lock];

	for (uint32_t i = 0; i < g->m->locks.count; i++)
		if (locks[i].resource == l->resource && i != lock && locks[i].state == LOCK_HELD &&
		    locks[i].evidence == EVIDENCE_OBSERVED &&
		    (graph_conflicts(g->m, i, lock) || (l->ofd && l->ofd == locks[i].ofd)))
			return true;
	return false;
}

void owners_confirm(struct gather *g)
{
	struct model *m = g->m;
	uint32_t asked = 0;

	for (uint32_t i = 0; i < m->locks.count && asked < CONFIRM_MAX; i++) {
		struct model_lock *l = &m->locks.items[i];

		if (l->evidence != EVIDENCE_STALE || l->state == LOCK_POLLING ||
		    l->process == MODEL_NONE ||
		    m->processes.items[l->process].state != PROCESS_LIVE)
			continue;
		asked++;
		if (l->state == LOCK_HELD ? is_held(g, l) && !has_rival(g, i) : is_waiting(g, l))
			l->evidence = EVIDENCE_OBSERVED;
	}
}
