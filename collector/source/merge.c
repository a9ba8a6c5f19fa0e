/* Everything after the matching: locks that only the kernel knows, what is stale,
 * who blocks whom. */
#include "config.h"

#include "collector/source/merge.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/model/graph.h"

/*
 * Who polls is taken to have given up when nothing came for ten times the usual pause, but never
 * before two seconds: SQLite's longest pause is 100 ms, programs that sleep(1) between tries are
 * common.
 */
#define POLL_LEAST_NS UINT64_C(2000000000)
#define POLL_PAUSES 10

bool merge_is_fresh(const struct model_lock *l, uint64_t now_ns)
{
	uint64_t pause = l->tries > 1 && l->last_try_ns > l->since_ns
				 ? (l->last_try_ns - l->since_ns) / (l->tries - 1)
				 : 0;
	uint64_t patience =
		pause > POLL_LEAST_NS / POLL_PAUSES ? pause : POLL_LEAST_NS / POLL_PAUSES;

	return now_ns <= l->last_try_ns || (now_ns - l->last_try_ns) / POLL_PAUSES <= patience;
}

uint32_t merge_resource(struct gather *g, const struct kernel_lock *e)
{
	struct model *m = g->m;

	for (uint32_t n = index_first(&g->resources, e->ino); n != UINT32_MAX;
	     n = index_next(&g->resources, n)) {
		struct model_resource *r = &m->resources.items[g->resources.entries[n].value];

		if (r->kernel_dev == e->dev || (!r->kernel_dev && r->dev == e->dev)) {
			r->kernel_dev = e->dev;
			return g->resources.entries[n].value;
		}
	}
	uint32_t i = model_add_resource(m);

	if (i != MODEL_NONE) {
		m->resources.items[i].kernel_dev = e->dev;
		m->resources.items[i].ino = e->ino;
		index_add(&g->resources, e->ino, i);
	}
	return i;
}

/* Another process that has the open file description of the hold `shown`. */
static void link_copy(struct model *m, uint32_t shown, uint32_t copy)
{
	struct model_lock *l = &m->locks.items[copy];

	l->is_copy = true;
	if (shown == MODEL_NONE)
		return;
	l->next_copy = m->locks.items[shown].next_copy;
	m->locks.items[shown].next_copy = copy;
}

/* A line without a record becomes a lock of its own. */
static void add_lock(struct gather *g, struct kernel_locks *k, uint32_t line)
{
	struct kernel_lock *e = &k->items[line];
	uint32_t resource = merge_resource(g, e), i = model_add_lock(g->m);

	if (resource == MODEL_NONE || i == MODEL_NONE)
		return;
	struct model_lock *l = &g->m->locks.items[i];

	l->state = e->depth ? LOCK_WAITING : LOCK_HELD;
	l->kind = e->kind;
	l->mode = e->mode;
	/* The kernel names the owner itself but for file descriptions: those we
	 * found by looking. */
	l->evidence = e->is_deduced ? EVIDENCE_INFERRED : EVIDENCE_OBSERVED;
	l->resource = resource;
	l->process = e->process;
	l->start = e->start;
	l->end = e->end;
	l->fd = e->fd;
	l->is_delegation = e->is_delegation;
	l->is_breaking = e->is_breaking;
	l->is_through_map = e->is_through_map;
	l->unowned = e->unowned;
	l->ofd = e->ofd;
	/* It is charged to who took it: who else keeps it has its description from him. */
	l->is_inherited = (e->kind == LOCK_FLOCK || e->kind == LOCK_LEASE) && !e->depth &&
			  !e->is_delegation && e->process != MODEL_NONE &&
			  g->m->processes.items[e->process].pid != e->pid;
	if (l->is_inherited)
		l->taker = e->pid;
	l->has_taker_ended = e->has_taker_ended;
	if (e->tid)
		l->thread = gather_thread(g, e->process, e->tid);
	e->lock = i;
	if (e->copy_of != MODEL_NONE)
		link_copy(g->m, k->items[e->copy_of].lock, i);
}

static bool is_released(const struct gather *g, const struct model_lock *l)
{
	for (uint32_t i = 0; l->ofd && i < g->tombstone_count; i++)
		if (g->tombstones[i].ofd == l->ofd && l->since_ns <= g->tombstones[i].since_ns)
			return true;
	return false;
}

/* Locks by open file description, to tell the copies that fork made from each other. */
static bool has_shown_owner(const struct gather *g, const struct index *by_ofd, uint32_t lock)
{
	const struct model_lock *locks = g->m->locks.items, *l = &locks[lock];

	for (uint32_t n = index_first(by_ofd, l->ofd); l->ofd && n != UINT32_MAX;
	     n = index_next(by_ofd, n)) {
		const struct model_lock *other = &locks[by_ofd->entries[n].value];

		if (other != l && other->evidence == EVIDENCE_OBSERVED &&
		    other->state == LOCK_HELD && other->resource == l->resource &&
		    other->start <= l->end && l->start <= other->end)
			return true;
	}
	return false;
}

/* Nobody's locks are the kernel's word, so they are of now. */
static bool is_live(const struct model *m, const struct model_lock *l)
{
	return l->process == MODEL_NONE || m->processes.items[l->process].state == PROCESS_LIVE;
}

/* A record of a living process that no line of /proc/locks confirmed. */
static void judge_unconfirmed(struct gather *g, const struct index *by_ofd, uint32_t lock)
{
	struct model_lock *l = &g->m->locks.items[lock];

	if (l->evidence != EVIDENCE_RECORDED || !is_live(g->m, l) || l->state == LOCK_POLLING)
		return;
	if (l->state == LOCK_HELD && has_shown_owner(g, by_ofd, lock)) {
		l->evidence = EVIDENCE_INFERRED;
		l->is_copy = true;
	} else {
		l->evidence = EVIDENCE_STALE;
	}
}

static int judge_records(struct gather *g, bool has_kernel)
{
	struct model *m = g->m;
	struct index by_ofd = {0};
	bool is_ok = true;

	for (uint32_t i = 0; is_ok && i < m->locks.count; i++)
		if (m->locks.items[i].ofd)
			is_ok = index_add(&by_ofd, m->locks.items[i].ofd, i);
	for (uint32_t i = 0; is_ok && i < m->locks.count; i++) {
		struct model_lock *l = &m->locks.items[i];

		if (has_kernel)
			judge_unconfirmed(g, &by_ofd, i);
		if (l->evidence == EVIDENCE_RECORDED && l->state == LOCK_HELD && is_released(g, l))
			l->evidence = EVIDENCE_STALE;
	}
	index_done(&by_ofd);
	return is_ok ? 0 : -ENOMEM;
}

/* Lines above know their blockers by the nesting; the depth-0 line restarts the ranks. */
static void link_queue(struct gather *g, struct kernel_locks *k)
{
	struct model_lock *locks = g->m->locks.items;
	uint32_t rank = 0;

	for (uint32_t i = 0; i < k->count; i++) {
		const struct kernel_lock *e = &k->items[i];

		if (!e->depth)
			rank = 0;
		if (e->lock == MODEL_NONE || !e->depth)
			continue;
		struct model_lock *l = &locks[e->lock];
		uint32_t blocker =
			e->blocker == MODEL_NONE ? MODEL_NONE : k->items[e->blocker].lock;

		l->queue_rank = rank++;
		if (blocker != MODEL_NONE && locks[blocker].resource == l->resource &&
		    locks[blocker].evidence != EVIDENCE_STALE)
			l->blocker = blocker;
	}
}

/* Holds that can stand in somebody's way: what the living hold now, or what the dead held. */
static bool can_block(const struct model *m, const struct model_lock *hold,
		      const struct model_lock *l)
{
	return hold->state == LOCK_HELD && hold->evidence != EVIDENCE_STALE && !hold->is_copy &&
	       is_live(m, hold) == is_live(m, l);
}

static uint32_t find_blocker(const struct model *m, const struct index *holds, uint32_t lock)
{
	const struct model_lock *l = &m->locks.items[lock];

	for (uint32_t n = index_first(holds, l->resource); n != UINT32_MAX;
	     n = index_next(holds, n)) {
		uint32_t hold = holds->entries[n].value;

		if (can_block(m, &m->locks.items[hold], l) && graph_conflicts(m, hold, lock))
			return hold;
	}
	return MODEL_NONE;
}

static int link_others(struct gather *g)
{
	struct model *m = g->m;
	struct index holds = {0};
	bool is_ok = true;

	for (uint32_t i = 0; is_ok && i < m->locks.count; i++)
		if (m->locks.items[i].state == LOCK_HELD)
			is_ok = index_add(&holds, m->locks.items[i].resource, i);
	for (uint32_t i = 0; is_ok && i < m->locks.count; i++) {
		struct model_lock *l = &m->locks.items[i];

		if (l->state == LOCK_HELD || l->evidence == EVIDENCE_STALE ||
		    l->blocker != MODEL_NONE)
			continue;
		l->blocker = find_blocker(m, &holds, i);
		/* Nothing in the way any more, or silent for long: the next try is not
		 * a wait yet. */
		if (l->state == LOCK_POLLING && is_live(m, l) &&
		    (l->blocker == MODEL_NONE || !merge_is_fresh(l, m->now_ns)))
			l->evidence = EVIDENCE_STALE;
		if (l->state != LOCK_POLLING)
			l->queue_rank = UINT32_MAX; /* behind those whose place is known */
	}
	index_done(&holds);
	return is_ok ? 0 : -ENOMEM;
}

int merge_judge(struct gather *g, struct kernel_locks *k)
{
	for (uint32_t i = 0; k && i < k->count; i++) {
		struct kernel_lock *e = &k->items[i];

		if (e->lock == MODEL_NONE && !e->is_outdated)
			add_lock(g, k, i);
	}
	return judge_records(g, k);
}

int merge_link(struct gather *g, struct kernel_locks *k)
{
	if (k)
		link_queue(g, k);
	return link_others(g);
}
