/*
 * deadlock-cycle: threads that wait for each other, for whatever they wait.
 *
 * wait_graph.h says which waits can never end. Each of them leads to another one, through the need
 * that cannot be met: following them must close a cycle (with OR-waits a knot: all ways out lead
 * back into it; the cycle is one of them). What waits behind a cycle is no deadlock of its own.
 *
 * A cycle in which every thread only waits to be told something, by data, may be two that are idle:
 * a signal to either would go unseen here. At least one must wait for what only an end, a release
 * or room in a full pipe gives.
 *
 * Of the living only what the kernel or glibc says counts, and locks of a running process's record.
 * Of those who ended without leaving by themselves, their records: a wait is granted when its last
 * blocker ends, so waits for each other that all were outstanding at each one's death stood before
 * the first of them died.
 */
#include "config.h"

#include "collector/analysis/analysis_cycle.h"
#include "collector/analysis/analysis_detect.h"

#include <stdlib.h>
#include <string.h>

#include "collector/arch/syscall_name.h"
#include "collector/model/wait_graph.h"

/* The wait of who could take the way, which is stuck as the way is. */
static uint32_t wait_behind(const struct wait_graph *g, const uint32_t *first_stuck,
			    const struct model_way *way)
{
	return way->thread == MODEL_NONE ? first_stuck[way->process] : g->thread_wait[way->thread];
}

static uint32_t first_stuck_need(const struct wait_graph *g, const struct model_wait *w)
{
	for (uint32_t i = 0; i < w->need_count; i++)
		if (wait_graph_is_need_stuck(g, w->first_need + i))
			return w->first_need + i;
	return MODEL_NONE;
}

static int compare_waits(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct model_wait *a = &m->waits.items[i], *b = &m->waits.items[j];

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->lock != b->lock)
		return a->lock < b->lock ? -1 : 1;
	return (i > j) - (i < j);
}

/* All waits, by process: `order` decides with which one a cycle is told first. */
static void sort_waits(const struct wait_graph *g, uint32_t *order, uint32_t *first_stuck)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->waits.count; i++)
		order[i] = i;
	qsort_r(order, m->waits.count, sizeof(*order), compare_waits, (void *)m);
	for (uint32_t i = 0; i <= m->processes.count; i++)
		first_stuck[i] = MODEL_NONE;
	for (uint32_t i = m->waits.count; i-- > 0;)
		if (g->is_stuck[order[i]])
			first_stuck[m->waits.items[order[i]].process] = order[i];
}

static void link_edges(const struct wait_graph *g, struct edge *edges, const uint32_t *first_stuck)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->waits.count; i++) {
		const struct model_wait *w = &m->waits.items[i];
		uint32_t need = g->is_stuck[i] ? first_stuck_need(g, w) : MODEL_NONE;

		edges[i] = (struct edge){.need = need, .next = MODEL_NONE};
		if (need != MODEL_NONE)
			edges[i].next = wait_behind(g, first_stuck,
						    &m->ways.items[m->needs.items[need].first_way]);
	}
}

static bool is_writing(const struct model *m, const struct model_wait *w)
{
	const char *call = syscall_name(m->threads.items[w->thread].syscall);

	return call && (strstr(call, "write") || strstr(call, "send"));
}

/* It waits for more than to be told something. */
static bool is_hard(const struct model *m, const struct model_wait *w)
{
	switch (w->kind) {
	case WAIT_PIPE:
	case WAIT_SOCKET:
	case WAIT_MESSAGE:
		return is_writing(m, w);
	case WAIT_EVENTS:
		return false;
	default:
		return true;
	}
}

static bool is_deadlock(const struct model *m, const struct edge *edges, uint32_t start)
{
	bool is = false;
	uint32_t i = start;

	do {
		is |= is_hard(m, &m->waits.items[i]);
		i = edges[i].next;
	} while (i != start);
	return is;
}

static void mark_wait(struct model *m, const struct edge *edges, uint32_t wait, uint32_t number)
{
	struct model_wait *w = &m->waits.items[wait];

	w->deadlock = number;
	w->stuck_need = edges[wait].need;
	w->stuck_by = edges[wait].next;
}

static void mark_deadlock(struct model *m, const struct edge *edges, uint32_t start,
			  uint32_t number)
{
	uint32_t i = start;

	do {
		mark_wait(m, edges, i, number);
		m->waits.items[i].is_in_cycle = true;
		i = edges[i].next;
	} while (i != start);
}

/* Every stuck wait leads to another one. */
static void report_cycles(struct model *m, struct edge *edges, const uint32_t *order)
{
	uint32_t number = 0;

	for (uint32_t start = 0; start < m->waits.count; start++) {
		uint32_t i = order[start];

		while (edges[i].next != MODEL_NONE && !edges[i].mark) {
			edges[i].mark = start + 1;
			i = edges[i].next;
		}
		if (edges[i].next == MODEL_NONE || edges[i].mark != start + 1 ||
		    !is_deadlock(m, edges, i))
			continue;
		cycle_report(m, edges, i, ++number);
		mark_deadlock(m, edges, i, number);
	}
}

/* Of those behind a cycle: which. What leads to none is cut off, so that it is walked once. */
static void mark_others(struct model *m, struct edge *edges)
{
	for (uint32_t start = 0; start < m->waits.count; start++) {
		uint32_t i = start, steps = 0, next;

		while (edges[i].next != MODEL_NONE && !m->waits.items[i].deadlock &&
		       steps++ <= m->waits.count)
			i = edges[i].next;
		uint32_t number = m->waits.items[i].deadlock;

		for (i = start; edges[i].next != MODEL_NONE && !m->waits.items[i].deadlock;
		     i = next) {
			next = edges[i].next;
			if (number)
				mark_wait(m, edges, i, number);
			else
				edges[i].next = MODEL_NONE;
		}
	}
}

void detect_cycles(struct model *m)
{
	struct edge *edges = calloc(m->waits.count + (size_t)1, sizeof(*edges));
	uint32_t *order = calloc(m->waits.count + (size_t)1, sizeof(*order));
	uint32_t *first_stuck = calloc(m->processes.count + (size_t)1, sizeof(*first_stuck));
	struct wait_graph g;

	if (edges && order && first_stuck && !wait_graph_init(&g, m, WAIT_PROOF)) {
		sort_waits(&g, order, first_stuck);
		link_edges(&g, edges, first_stuck);
		wait_graph_done(&g);
		report_cycles(m, edges, order);
		mark_others(m, edges);
	} else {
		m->out_of_memory = true;
	}
	free(edges);
	free(order);
	free(first_stuck);
}
