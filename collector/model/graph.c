/*
 * The order of display. Pure: model in, list out; no clock, no I/O, a stable order.
 *
 * Holds that block a common waiter form a group (union-find); a waiter without a known blocker is
 * a group of its own. Groups are sorted, then written out one after the other.
 */
#include "config.h"

#include "collector/model/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint32_t parent;      /* union-find among roots */
	uint32_t root;        /* of a waiter: where its chain of blockers ends; MODEL_NONE hidden */
	uint32_t first_child; /* waiters queued right behind this lock, or behind this group */
	uint32_t next;        /* among the children */
	uint32_t waiters;     /* of the group, kept at its representative */
	uint32_t position;    /* rank of its first member: keeps groups in order */
};

struct builder {
	const struct model *m;
	struct entry *entries; /* one per lock of the model */
	uint32_t *order;       /* visible locks, sorted */
	uint32_t count;
	struct graph *graph;
};

static uint32_t find(struct builder *b, uint32_t i)
{
	while (b->entries[i].parent != i)
		i = b->entries[i].parent = b->entries[b->entries[i].parent].parent;
	return i;
}

static void join(struct builder *b, uint32_t i, uint32_t j)
{
	i = find(b, i);
	j = find(b, j);
	if (i != j)
		b->entries[i > j ? i : j].parent = i > j ? j : i;
}

static pid_t lock_pid(const struct model *m, const struct model_lock *l)
{
	return l->process == MODEL_NONE ? 0 : m->processes.items[l->process].pid;
}

#define COMPARE(a, b)                                                                              \
	do {                                                                                       \
		if ((a) != (b))                                                                    \
			return (a) < (b) ? -1 : 1;                                                 \
	} while (0)

/* By path, resource, range, pid; then by index, so that no two are equal. */
static int compare_locks(const void *x, const void *y, void *data)
{
	const struct model *m = data;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct model_lock *a = &m->locks.items[i], *b = &m->locks.items[j];
	const struct model_resource *ra = &m->resources.items[a->resource];
	const struct model_resource *rb = &m->resources.items[b->resource];
	int by_path = a->resource == b->resource ? 0 : strcmp(ra->path, rb->path);

	if (by_path)
		return by_path;
	COMPARE(ra->kernel_dev, rb->kernel_dev);
	COMPARE(ra->dev, rb->dev);
	COMPARE(ra->ino, rb->ino);
	COMPARE(a->resource, b->resource);
	COMPARE(a->start, b->start);
	COMPARE(a->end, b->end);
	COMPARE(lock_pid(m, a), lock_pid(m, b));
	COMPARE(i, j);
	return 0;
}

/* The kernel's queue first, then those who poll, the eldest first. */
static int compare_waiters(const void *x, const void *y, void *data)
{
	const struct model *m = data;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct model_lock *a = &m->locks.items[i], *b = &m->locks.items[j];

	COMPARE(a->state, b->state);
	COMPARE(a->queue_rank, b->queue_rank);
	COMPARE(a->since_ns, b->since_ns);
	COMPARE(lock_pid(m, a), lock_pid(m, b));
	COMPARE(i, j);
	return 0;
}

/* While something runs the graph is of now: who has ended neither holds nor waits. */
static bool is_of_the_dead(const struct model *m, const struct model_lock *l)
{
	return m->is_live && l->process != MODEL_NONE &&
	       m->processes.items[l->process].state != PROCESS_LIVE;
}

static bool is_visible(const struct model *m, uint32_t i)
{
	return i < m->locks.count && m->locks.items[i].evidence != EVIDENCE_STALE &&
	       !m->locks.items[i].is_copy && !is_of_the_dead(m, &m->locks.items[i]);
}

/* Where the chain of blockers ends: a hold, or a waiter whose own blocker is not known. */
static uint32_t chain_root(const struct model *m, uint32_t i)
{
	for (uint32_t steps = 0; steps <= m->locks.count; steps++) {
		uint32_t blocker = m->locks.items[i].blocker;

		if (m->locks.items[i].state == LOCK_HELD || !is_visible(m, blocker))
			return i;
		i = blocker;
	}
	return i; /* an endless chain breaks the model's invariants: cut anywhere */
}

bool graph_conflicts(const struct model *m, uint32_t hold, uint32_t waiter)
{
	const struct model_lock *h = &m->locks.items[hold], *w = &m->locks.items[waiter];
	bool is_range = h->kind == LOCK_POSIX || h->kind == LOCK_OFD;
	bool is_same_family =
		h->kind == w->kind || (is_range && (w->kind == LOCK_POSIX || w->kind == LOCK_OFD));

	if (h->resource != w->resource || !is_same_family || h->start > w->end ||
	    w->start > h->end || (h->mode == MODE_READ && w->mode == MODE_READ))
		return false;
	if (h->kind == LOCK_POSIX && w->kind == LOCK_POSIX)
		return h->process == MODEL_NONE || h->process != w->process;
	return h->kind != w->kind || !h->ofd || h->ofd != w->ofd;
}

/* Visible holds of the waiter's resource that block it, too, join its blocker's group. */
static void join_blockers(struct builder *b, uint32_t waiter, uint32_t first, uint32_t last)
{
	for (uint32_t n = first; n < last; n++) {
		uint32_t hold = b->order[n];

		if (b->m->locks.items[hold].state == LOCK_HELD &&
		    graph_conflicts(b->m, hold, waiter))
			join(b, hold, b->entries[waiter].root);
	}
}

static void find_groups(struct builder *b)
{
	const struct model_lock *locks = b->m->locks.items;

	for (uint32_t n = 0; n < b->count; n++) {
		uint32_t i = b->order[n];

		b->entries[i].parent = i;
		b->entries[i].position = n;
		b->entries[i].root = chain_root(b->m, i);
	}
	for (uint32_t first = 0, last; first < b->count; first = last) {
		uint32_t resource = locks[b->order[first]].resource;

		for (last = first; last < b->count && locks[b->order[last]].resource == resource;)
			last++;
		for (uint32_t n = first; n < last; n++) {
			const struct model_lock *l = &locks[b->order[n]];

			if (l->state != LOCK_HELD && is_visible(b->m, l->blocker) &&
			    locks[l->blocker].state == LOCK_HELD)
				join_blockers(b, b->order[n], first, last);
		}
	}
}

/* Children lists, in the order of compare_waiters; counts and positions of the groups. */
static int link_children(struct builder *b)
{
	const struct model_lock *locks = b->m->locks.items;
	uint32_t count = 0, *waiters = calloc(b->count + 1, sizeof(*waiters));

	if (!waiters)
		return -ENOMEM;
	for (uint32_t n = 0; n < b->count; n++) {
		uint32_t i = b->order[n], group = find(b, b->entries[i].root);

		if (locks[i].state != LOCK_HELD) {
			b->entries[group].waiters++;
			waiters[count++] = i;
		} else if (b->entries[i].position < b->entries[group].position) {
			b->entries[group].position = b->entries[i].position;
		}
	}
	qsort_r(waiters, count, sizeof(*waiters), compare_waiters, (void *)b->m);
	while (count--) {
		uint32_t i = waiters[count], at = locks[i].blocker;

		if (b->entries[i].root == i)
			continue;
		if (locks[at].state == LOCK_HELD)
			at = find(b, at);
		b->entries[i].next = b->entries[at].first_child;
		b->entries[at].first_child = i;
	}
	free(waiters);
	return 0;
}

/* Groups with the most waiters first; inside a group, and between equals, the sorted order. */
static int compare_roots(const void *x, const void *y, void *data)
{
	struct builder *b = data;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct entry *a = &b->entries[find(b, i)], *c = &b->entries[find(b, j)];

	COMPARE(c->waiters, a->waiters);
	COMPARE(a->position, c->position);
	COMPARE(b->entries[i].position, b->entries[j].position);
	return 0;
}

static void emit(struct builder *b, uint32_t lock, uint32_t depth)
{
	b->graph->nodes[b->graph->count++] = (struct graph_node){.lock = lock, .depth = depth};
}

/* Everything queued behind `at`, depth first, without recursion: chains may be long. */
static void emit_children(struct builder *b, uint32_t at, uint32_t *path)
{
	uint32_t depth = 1;

	path[1] = b->entries[at].first_child;
	while (depth) {
		uint32_t i = path[depth];

		if (i == MODEL_NONE) {
			depth--;
			continue;
		}
		path[depth] = b->entries[i].next;
		emit(b, i, depth);
		path[++depth] = b->entries[i].first_child;
	}
}

static void emit_groups(struct builder *b, const uint32_t *roots, uint32_t count, uint32_t *path)
{
	for (uint32_t n = 0; n < count; n++) {
		uint32_t group = find(b, roots[n]);

		emit(b, roots[n], 0);
		if (n + 1 == count || find(b, roots[n + 1]) != group)
			emit_children(b, group, path);
	}
}

/* `scratch` has room for twice the visible locks and a few more. */
static int build(struct builder *b, uint32_t *scratch)
{
	const struct model *m = b->m;
	uint32_t count = 0, *roots = scratch, *path = scratch + b->count;

	qsort_r(b->order, b->count, sizeof(*b->order), compare_locks, (void *)m);
	find_groups(b);
	int r = link_children(b);

	if (r)
		return r;
	for (uint32_t n = 0; n < b->count; n++)
		if (m->locks.items[b->order[n]].state == LOCK_HELD ||
		    b->entries[b->order[n]].root == b->order[n])
			roots[count++] = b->order[n];
	qsort_r(roots, count, sizeof(*roots), compare_roots, b);
	emit_groups(b, roots, count, path);
	return 0;
}

int graph_build(const struct model *m, struct graph *g)
{
	struct graph result = {.nodes = calloc(m->locks.count + 1, sizeof(*result.nodes))};
	struct builder b = {
		.m = m,
		.graph = &result,
		.entries = malloc((m->locks.count + (size_t)1) * sizeof(*b.entries)),
		.order = calloc(m->locks.count + (size_t)1, sizeof(*b.order)),
	};
	uint32_t *scratch = calloc(2 * (size_t)m->locks.count + 4, sizeof(*scratch));
	int r = -ENOMEM;

	if (result.nodes && b.entries && b.order && scratch) {
		for (uint32_t i = 0; i < m->locks.count; i++) {
			b.entries[i] = (struct entry){.parent = i,
						      .root = MODEL_NONE,
						      .first_child = MODEL_NONE,
						      .next = MODEL_NONE};
			if (is_visible(m, i))
				b.order[b.count++] = i;
		}
		r = build(&b, scratch);
	}
	free(b.entries);
	free(b.order);
	free(scratch);
	if (r)
		free(result.nodes);
	else
		*g = result;
	return r;
}

void graph_done(struct graph *g)
{
	free(g->nodes);
	g->nodes = NULL;
	g->count = 0;
}
