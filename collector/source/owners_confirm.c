/*
 * What /proc/locks did not show although it is on record, asked of the processes themselves; see
 * owners.h.
 */
#include "config.h"

#include <stdlib.h>

#include "collector/model/graph.h"
#include "collector/proc/held.h"
#include "collector/proc/lock_call.h"
#include "collector/source/owners.h"

#define ASK_MAX 5000 /* files of /proc read for this */

/* What is held through one descriptor; asked once for all records that name it. */
struct answer {
	pid_t pid;
	int fd;
	struct kernel_lock *items;
	uint32_t count, room;
};

struct confirmer {
	struct gather *g;
	struct answer last;
	uint32_t asked;
};

static bool keep(const struct held_at *at, const struct kernel_lock *held, void *data)
{
	struct answer *a = data;

	(void)at;
	if (a->count == a->room) {
		uint32_t room = a->room ? a->room * 2 : 16;
		struct kernel_lock *grown = reallocarray(a->items, room, sizeof(*grown));

		if (!grown)
			return true;
		a->items = grown;
		a->room = room;
	}
	a->items[a->count++] = *held;
	return false;
}

static bool has(const struct confirmer *c, const struct model_lock *l)
{
	uint64_t ino = c->g->m->resources.items[l->resource].ino;

	for (uint32_t i = 0; i < c->last.count; i++) {
		const struct kernel_lock *held = &c->last.items[i];

		if (held->kind == l->kind && held->mode == l->mode && held->ino == ino &&
		    held->start == l->start && held->end == l->end)
			return true;
	}
	return false;
}

/* fd < 0: through any descriptor. */
static void ask(struct confirmer *c, pid_t pid, int fd)
{
	struct answer *a = &c->last;

	if (a->pid == pid && a->fd == fd)
		return;
	a->pid = pid;
	a->fd = fd;
	a->count = 0;
	c->asked++;
	if (fd < 0)
		held_by_process(c->g->proc, pid, NULL, keep, a);
	else
		held_by_fd(c->g->proc, pid, fd, keep, a);
}

static bool is_held(struct confirmer *c, const struct model_lock *l)
{
	pid_t pid = c->g->m->processes.items[l->process].pid;

	ask(c, pid, l->fd);
	if (has(c, l) || l->kind == LOCK_POSIX)
		return has(c, l);
	ask(c, pid, -1); /* a duplicate of it */
	return has(c, l);
}

static bool is_waiting(const struct gather *g, const struct model_lock *l)
{
	struct proc_syscall sc;
	struct lock_call call;

	return l->thread != MODEL_NONE &&
	       !proc_read_syscall(g->proc, g->m->processes.items[l->process].pid,
				  g->m->threads.items[l->thread].tid, &sc) &&
	       lock_call_decode(&sc, &call) && call.kind == l->kind && call.fd == l->fd;
}

enum rival {
	RIVAL_NONE,
	RIVAL_SHARER,
	RIVAL_OTHER
};

/* Who was seen to hold what this record says: a sharer of the same open file description, or, by a
 * later reading, somebody else. */
static enum rival find_rival(const struct gather *g, uint32_t lock)
{
	const struct model_lock *locks = g->m->locks.items, *l = &locks[lock];

	for (uint32_t i = 0; i < g->m->locks.count; i++) {
		if (locks[i].resource != l->resource || i == lock || locks[i].state != LOCK_HELD ||
		    locks[i].evidence != EVIDENCE_OBSERVED)
			continue;
		if (l->ofd && l->ofd == locks[i].ofd && locks[i].start <= l->end &&
		    l->start <= locks[i].end)
			return RIVAL_SHARER;
		if (graph_conflicts(g->m, i, lock))
			return RIVAL_OTHER;
	}
	return RIVAL_NONE;
}

static void confirm_hold(struct confirmer *c, uint32_t lock)
{
	struct model_lock *l = &c->g->m->locks.items[lock];

	if (!is_held(c, l))
		return;
	enum rival rival = find_rival(c->g, lock);

	if (rival == RIVAL_NONE)
		l->evidence = EVIDENCE_OBSERVED;
	if (rival == RIVAL_SHARER) {
		l->evidence = EVIDENCE_INFERRED;
		l->is_copy = true;
	}
}

static bool is_asked_about(const struct model *m, const struct model_lock *l)
{
	return l->evidence == EVIDENCE_STALE && l->state != LOCK_POLLING &&
	       l->process != MODEL_NONE && m->processes.items[l->process].state == PROCESS_LIVE;
}

void owners_confirm(struct gather *g)
{
	struct model *m = g->m;
	struct confirmer c = {.g = g};

	/* Who took a lock is shown for it, rather than who inherited it: those come second. */
	for (uint32_t n = 0; n < 2 * m->locks.count && c.asked < ASK_MAX; n++) {
		uint32_t i = n % m->locks.count;
		struct model_lock *l = &m->locks.items[i];

		if (!is_asked_about(m, l) || l->is_inherited != (n >= m->locks.count))
			continue;
		if (l->state == LOCK_HELD) {
			confirm_hold(&c, i);
			continue;
		}
		c.asked++;
		if (is_waiting(g, l))
			l->evidence = EVIDENCE_OBSERVED;
	}
	free(c.last.items);
}
