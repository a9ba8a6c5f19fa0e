/* See select.h: which records belong to the chosen ones, and the model without the others. Pure. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "collector/source/select.h"

struct reducer {
	struct gather *g;
	struct model *m;
	bool *is_kept;    /* by resource */
	bool *is_related; /* by process */
	uint32_t *holdings;
	uint32_t *processes, *resources, *threads, *locks, *handlers, *calls,
		*uses; /* old index -> new */
};

/*
 * One step along the edges: a target's files, the files its relatives wait for (not all that they
 * hold), and whoever stands at a kept file. True while something new came in.
 */
static bool extend(struct reducer *r)
{
	const struct model *m = r->m;
	bool has_changed = false;

	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->evidence == EVIDENCE_STALE || l->process == MODEL_NONE)
			continue;
		bool is_target = m->processes.items[l->process].is_target;
		bool *is_related = &r->is_related[l->process];

		if (!r->is_kept[l->resource] &&
		    (is_target || (*is_related && l->state != LOCK_HELD)))
			has_changed = r->is_kept[l->resource] = true;
		if (!*is_related && r->is_kept[l->resource])
			has_changed = *is_related = true;
	}
	return has_changed;
}

/* What a target took in some order, or lost, also if it has nothing of it now. */
static void keep_had(struct reducer *r)
{
	const struct model *m = r->m;

	for (uint32_t i = 0; i < m->holdings.count; i++)
		if (m->processes.items[m->holdings.items[i].process].is_target)
			r->is_kept[m->holdings.items[i].resource] = true;
	for (uint32_t i = 0; i < m->edges.count; i++)
		if (m->processes.items[m->edges.items[i].process].is_target)
			r->is_kept[m->edges.items[i].resource] = true;
	for (uint32_t i = 0; i < m->losses.count; i++)
		if (m->processes.items[m->losses.items[i].process].is_target)
			r->is_kept[m->losses.items[i].resource] = true;
}

static uint32_t at(const uint32_t *map, uint32_t index)
{
	return index == MODEL_NONE ? MODEL_NONE : map[index];
}

/* Keeps the elements for which `condition` holds (`e` is the element), and fills `map`. */
#define COMPACT(array, map, condition)                                                             \
	do {                                                                                       \
		uint32_t kept = 0;                                                                 \
		for (uint32_t n = 0; n < (array).count; n++) {                                     \
			__typeof__((array).items) e = &(array).items[n];                           \
			bool is = (condition);                                                     \
			(map)[n] = is ? kept : MODEL_NONE;                                         \
			if (is)                                                                    \
				(array).items[kept++] = *e;                                        \
		}                                                                                  \
		(array).count = kept;                                                              \
	} while (0)

static void compact_processes(struct reducer *r)
{
	struct gather *g = r->g;

	for (uint32_t i = 0; i < r->m->processes.count; i++) {
		if (r->m->processes.items[i].is_target || r->is_related[i] || i >= g->segment_room)
			continue;
		segment_close(g->segments[i]);
		g->segments[i] = NULL;
	}
	uint32_t count = r->m->processes.count;

	COMPACT(r->m->processes, r->processes, e->is_target || r->is_related[n]);
	for (uint32_t i = 0; i < count && i < g->segment_room; i++) {
		struct segment *s = g->segments[i];

		g->segments[i] = NULL;
		if (r->processes[i] != MODEL_NONE)
			g->segments[r->processes[i]] = s;
	}
}

static void compact_rest(struct reducer *r)
{
	struct model *m = r->m;

	COMPACT(m->resources, r->resources, r->is_kept[n]);
	COMPACT(m->threads, r->threads, r->processes[e->process] != MODEL_NONE);
	COMPACT(m->locks, r->locks, r->resources[e->resource] != MODEL_NONE);
	COMPACT(m->handlers, r->handlers, r->processes[e->process] != MODEL_NONE);
	COMPACT(m->calls, r->calls, r->processes[e->process] != MODEL_NONE);
	COMPACT(m->uses, r->uses, r->processes[e->process] != MODEL_NONE);
}

/* Stacks stay where they are: others name them, and one that nobody names costs nothing. */
static void remap(struct reducer *r)
{
	struct model *m = r->m;

	for (uint32_t i = 0; i < m->stacks.count; i++) {
		m->stacks.items[i].process = at(r->processes, m->stacks.items[i].process);
		m->stacks.items[i].thread = at(r->threads, m->stacks.items[i].thread);
	}
	for (uint32_t i = 0; i < m->resources.count; i++)
		m->resources.items[i].process = at(r->processes, m->resources.items[i].process);
	for (uint32_t i = 0; i < m->threads.count; i++) {
		m->threads.items[i].process = at(r->processes, m->threads.items[i].process);
		m->threads.items[i].call = at(r->calls, m->threads.items[i].call);
	}
	for (uint32_t i = 0; i < m->locks.count; i++) {
		struct model_lock *l = &m->locks.items[i];

		l->resource = at(r->resources, l->resource);
		l->process = at(r->processes, l->process);
		l->thread = at(r->threads, l->thread);
		l->blocker = at(r->locks, l->blocker);
		l->next_copy = at(r->locks, l->next_copy);
		l->use = at(r->uses, l->use);
	}
	for (uint32_t i = 0; i < m->handlers.count; i++)
		m->handlers.items[i].process = at(r->processes, m->handlers.items[i].process);
	for (uint32_t i = 0; i < m->calls.count; i++) {
		struct model_call *c = &m->calls.items[i];

		c->process = at(r->processes, c->process);
		c->thread = at(r->threads, c->thread);
		c->handler = at(r->handlers, c->handler);
		/* Of the same process: they stay together. */
		for (uint32_t n = 0; n < c->held_count; n++)
			c->held[n] = at(r->uses, c->held[n]);
	}
}

static void remap_uses(struct reducer *r)
{
	for (uint32_t i = 0; i < r->m->uses.count; i++) {
		struct model_use *u = &r->m->uses.items[i];

		u->process = at(r->processes, u->process);
		u->thread = at(r->threads, u->thread);
		u->handler = at(r->handlers, u->handler);
	}
}

static void remap_interruptions(struct reducer *r)
{
	struct model *m = r->m;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		struct model_interruption x = m->interruptions.items[i];

		x.process = at(r->processes, x.process);
		x.handler = at(r->handlers, x.handler);
		x.thread = at(r->threads, x.thread);
		if (x.process != MODEL_NONE)
			m->interruptions.items[kept++] = x;
	}
	m->interruptions.count = kept;
}

static void remap_edges(struct reducer *r)
{
	struct model *m = r->m;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->edges.count; i++) {
		struct model_edge e = m->edges.items[i];

		e.process = at(r->processes, e.process);
		e.resource = at(r->resources, e.resource);
		e.thread = at(r->threads, e.thread);
		e.held = at(r->holdings, e.held);
		if (e.process != MODEL_NONE && e.resource != MODEL_NONE && e.held != MODEL_NONE)
			m->edges.items[kept++] = e;
	}
	m->edges.count = kept;
}

static bool is_kept_holding(const struct reducer *r, const struct model_holding *h)
{
	return r->processes[h->process] != MODEL_NONE && r->resources[h->resource] != MODEL_NONE &&
	       (h->under == MODEL_NONE || r->holdings[h->under] != MODEL_NONE);
}

/* The order of locks: what is about a process or file that is left out tells nothing here. What a
 * holding is under stands before it. */
static void remap_order(struct reducer *r)
{
	struct model *m = r->m;

	COMPACT(m->holdings, r->holdings, is_kept_holding(r, e));
	for (uint32_t i = 0; i < m->holdings.count; i++) {
		struct model_holding *h = &m->holdings.items[i];

		h->process = at(r->processes, h->process);
		h->resource = at(r->resources, h->resource);
		h->under = at(r->holdings, h->under);
	}
	remap_edges(r);
}

/* Who got the lock in between may be left out: then it is a number. */
static void remap_losses(struct reducer *r, const pid_t *pids)
{
	struct model *m = r->m;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->losses.count; i++) {
		struct model_lost l = m->losses.items[i];

		l.process = at(r->processes, l.process);
		l.resource = at(r->resources, l.resource);
		if (l.other != MODEL_NONE && r->processes[l.other] == MODEL_NONE)
			l.other_pid = pids[l.other];
		l.other = at(r->processes, l.other);
		if (l.process != MODEL_NONE && l.resource != MODEL_NONE)
			m->losses.items[kept++] = l;
	}
	m->losses.count = kept;
}

/* Of the processes as they stand before some are left out. NULL if memory is out. */
static pid_t *list_pids(const struct model *m)
{
	pid_t *pids = calloc(m->processes.count + (size_t)1, sizeof(*pids));

	for (uint32_t i = 0; pids && i < m->processes.count; i++)
		pids[i] = m->processes.items[i].pid;
	return pids;
}

static void remap_events(struct reducer *r)
{
	struct model *m = r->m;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m->events.count; i++) {
		struct model_event e = m->events.items[i];

		e.process = at(r->processes, e.process);
		if (e.process != MODEL_NONE)
			m->events.items[kept++] = e;
	}
	m->events.count = kept;
}

/* Whoever adds to the model after this finds what is left of it. */
static void index_again(struct gather *g)
{
	const struct model *m = g->m;
	bool is_ok = true;

	index_done(&g->processes);
	index_done(&g->resources);
	for (uint32_t i = 0; is_ok && i < m->processes.count; i++)
		is_ok = index_add(&g->processes, m->processes.items[i].pid, i);
	for (uint32_t i = 0; is_ok && i < m->resources.count; i++)
		is_ok = index_add(&g->resources, m->resources.items[i].ino, i);
	g->m->out_of_memory |= !is_ok;
}

static uint32_t *new_map(uint32_t count)
{
	return calloc(count + (size_t)1, sizeof(uint32_t));
}

int select_reduce(struct gather *g, bool *is_kept)
{
	struct model *m = g->m;
	/* Processes may have been added since `is_kept` was made, resources not. */
	struct reducer r = {
		.g = g,
		.m = m,
		.is_kept = is_kept,
		.is_related = calloc(m->processes.count + (size_t)1, sizeof(bool)),
		.holdings = new_map(m->holdings.count),
		.processes = new_map(m->processes.count),
		.resources = new_map(m->resources.count),
		.threads = new_map(m->threads.count),
		.locks = new_map(m->locks.count),
		.handlers = new_map(m->handlers.count),
		.calls = new_map(m->calls.count),
		.uses = new_map(m->uses.count),
	};
	pid_t *pids = list_pids(m);
	bool is_ok = pids && r.holdings && r.is_related && r.processes && r.resources && r.threads &&
		     r.locks && r.handlers && r.calls && r.uses;

	if (is_ok) {
		keep_had(&r);
		while (extend(&r))
			;
		compact_processes(&r);
		compact_rest(&r);
		remap(&r);
		remap_uses(&r);
		remap_interruptions(&r);
		remap_order(&r);
		remap_losses(&r, pids);
		remap_events(&r);
		index_again(g);
	}
	free(pids);
	free(r.holdings);
	free(r.is_related);
	free(r.processes);
	free(r.resources);
	free(r.threads);
	free(r.locks);
	free(r.handlers);
	free(r.calls);
	free(r.uses);
	return is_ok ? 0 : -ENOMEM;
}
