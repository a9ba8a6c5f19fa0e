/*
 * The greatest fixpoint over waits, needs and ways, by a worklist. See wait_graph.h.
 *
 * Groups (of waits with the same needs) and sets (of needs with the same ways) keep it linear where
 * thousands wait for what thousands hold. Sources are trusted to keep such ranges equal or apart,
 * but not with a verdict: what overlaps counts as able to go on.
 */
#include "config.h"

#include "collector/model/wait_graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool wait_kind_is_closed(enum wait_kind kind)
{
	switch (kind) {
	case WAIT_LOCK:
	case WAIT_CONDITION:
	case WAIT_SEMAPHORE:
	case WAIT_BARRIER:
	case WAIT_JOIN:
	case WAIT_CHILD:
	case WAIT_PIPE:
	case WAIT_SOCKET:
	case WAIT_MESSAGE:
	case WAIT_EVENTS:
		return true;
	default:
		return false;
	}
}

/* Data that a signal handler may send, too: the self-pipe of many programs. */
static bool is_by_data(enum wait_kind kind)
{
	return kind == WAIT_PIPE || kind == WAIT_SOCKET || kind == WAIT_EVENTS ||
	       kind == WAIT_MESSAGE;
}

static bool is_by_end(enum wait_kind kind)
{
	return kind == WAIT_CHILD || kind == WAIT_JOIN;
}

static bool has_way_through_itself(const struct model *m, const struct model_wait *w)
{
	for (uint32_t i = 0; i < w->need_count; i++) {
		const struct model_need *need = &m->needs.items[w->first_need + i];

		for (uint32_t j = 0; j < need->way_count; j++)
			if (m->ways.items[need->first_way + j].process == w->process)
				return true;
	}
	return false;
}

/* Records of the dead are of many moments; only of locks it is known which were at one time. */
static bool is_at_one_time(const struct model *m, const struct model_wait *w)
{
	if (w->kind == WAIT_LOCK || m->processes.items[w->process].state == PROCESS_LIVE)
		return true;
	for (uint32_t i = 0; i < w->need_count; i++) {
		const struct model_need *need = &m->needs.items[w->first_need + i];

		for (uint32_t j = 0; j < need->way_count; j++)
			if (m->ways.items[need->first_way + j].process != w->process)
				return false;
	}
	return true;
}

static bool can_be_proven(const struct model *m, const struct model_wait *w)
{
	enum process_state state = m->processes.items[w->process].state;

	if (w->unseen || w->until_ns || !wait_kind_is_closed(w->kind))
		return false;
	if (w->kind != WAIT_LOCK && state == PROCESS_LIVE && !m->is_live)
		return false;
	if (state != PROCESS_LIVE && state != PROCESS_KILLED && state != PROCESS_DUMPED)
		return false;
	return is_at_one_time(m, w) && !(is_by_data(w->kind) && has_way_through_itself(m, w));
}

/* Of those whose tries or time limit are their own affair the lock is what they wait for. */
static bool looks_stuck(const struct model_wait *w)
{
	return w->kind != WAIT_SLEEP && (!w->until_ns || w->kind == WAIT_LOCK);
}

static bool is_candidate(const struct wait_graph *g, uint32_t wait)
{
	const struct model_wait *w = &g->m->waits.items[wait];

	if (w->thread == MODEL_NONE)
		return false;
	return g->view == WAIT_PROOF ? can_be_proven(g->m, w) : looks_stuck(w);
}

/* --- tables ------------------------------------------------------------------------------------
 */

static uint32_t *new_table(uint32_t count)
{
	uint32_t *table = malloc((count + (size_t)1) * sizeof(*table));

	if (table)
		memset(table, 0xff, (count + (size_t)1) * sizeof(*table));
	return table;
}

static bool make_tables(struct wait_graph *g)
{
	const struct model *m = g->m;
	uint32_t waits = m->waits.count, needs = m->needs.count, ways = m->ways.count;
	uint32_t threads = m->threads.count, processes = m->processes.count;
	struct {
		uint32_t **table, count;
	} tables[] = {
		{&g->thread_wait, threads}, {&g->threads, processes},
		{&g->main, processes},      {&g->wait_group, waits},
		{&g->group_next, waits},    {&g->group_first, waits},
		{&g->need_group, needs},    {&g->need_set, needs},
		{&g->need_next, needs},     {&g->set_first, needs},
		{&g->way_set, ways},        {&g->way_next, ways},
		{&g->thread_way, threads},  {&g->process_way, processes},
		{&g->gone_next, ways},      {&g->process_gone, processes},
		{&g->work, threads},        {&g->any_wait, threads},
	};
	bool is_ok = true;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		is_ok = (*tables[i].table = new_table(tables[i].count)) && is_ok;
	g->state_size = 2 * (size_t)waits + 2 * (size_t)needs + processes + 5;
	g->state = calloc(g->state_size, sizeof(*g->state));
	if (!g->state)
		return false;
	g->is_stuck = g->state;
	g->group_stuck = g->is_stuck + waits + 1;
	g->set_free = g->group_stuck + waits + 1;
	g->set_left = g->set_free + needs + 1;
	g->process_stuck = g->set_left + needs + 1;
	return is_ok;
}

void wait_graph_done(struct wait_graph *g)
{
	free(g->thread_wait);
	free(g->threads);
	free(g->main);
	free(g->wait_group);
	free(g->group_next);
	free(g->group_first);
	free(g->need_group);
	free(g->need_set);
	free(g->need_next);
	free(g->set_first);
	free(g->way_set);
	free(g->way_next);
	free(g->thread_way);
	free(g->process_way);
	free(g->gone_next);
	free(g->process_gone);
	free(g->work);
	free(g->any_wait);
	free(g->state);
}

/* Of the living, only a process whose threads were looked at (they have a state) can be known to be
 * stuck; of the dead, every thread that was recorded counts. */
static void count_threads(struct wait_graph *g)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];
		bool is_live = m->processes.items[t->process].state == PROCESS_LIVE;

		if (t->task_state == 'Z' || t->task_state == 'X' || (is_live && !t->task_state))
			continue;
		g->threads[t->process] =
			g->threads[t->process] == UINT32_MAX ? 1 : g->threads[t->process] + 1;
		if (g->main[t->process] == MODEL_NONE ||
		    t->tid == m->processes.items[t->process].pid)
			g->main[t->process] = i;
	}
}

/* Two waits of one thread cannot be; the request for a lock is the one that was looked at closest.
 */
static void choose_waits(struct wait_graph *g)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->waits.count; i++) {
		uint32_t thread = m->waits.items[i].thread;

		if (thread != MODEL_NONE &&
		    (g->any_wait[thread] == MODEL_NONE || m->waits.items[i].kind == WAIT_LOCK))
			g->any_wait[thread] = i;
		if (!is_candidate(g, i))
			continue;
		if (g->thread_wait[thread] == MODEL_NONE ||
		    (m->waits.items[i].kind == WAIT_LOCK &&
		     m->waits.items[g->thread_wait[thread]].kind != WAIT_LOCK))
			g->thread_wait[thread] = i;
	}
	for (uint32_t i = 0; i < m->threads.count; i++) {
		if (g->thread_wait[i] == MODEL_NONE)
			continue;
		g->is_stuck[g->thread_wait[i]] = 1;
		g->process_stuck[m->threads.items[i].process]++;
	}
}

static int compare_waits(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct model_wait *a = &m->waits.items[i], *b = &m->waits.items[j];

	if (a->first_need != b->first_need)
		return a->first_need < b->first_need ? -1 : 1;
	if (a->need_count != b->need_count)
		return a->need_count < b->need_count ? -1 : 1;
	return (i > j) - (i < j);
}

static int compare_needs(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct model_need *a = &m->needs.items[i], *b = &m->needs.items[j];

	if (a->first_way != b->first_way)
		return a->first_way < b->first_way ? -1 : 1;
	if (a->way_count != b->way_count)
		return a->way_count < b->way_count ? -1 : 1;
	return (i > j) - (i < j);
}

/* Needs that nobody is known to be able to meet prove nothing. */
static bool counts(const struct wait_graph *g, uint32_t need)
{
	const struct model_need *n = &g->m->needs.items[need];

	return g->view == WAIT_LOOKS || (n->way_count && !n->unseen);
}

/* How many of the needs have to be met; 0 also where some belong to another group. */
static uint32_t own_needs(struct wait_graph *g, uint32_t group, const struct model_wait *w)
{
	uint32_t count = 0;

	for (uint32_t i = w->first_need; i < w->first_need + w->need_count; i++) {
		if (g->need_group[i] != MODEL_NONE)
			return 0;
		g->need_group[i] = group;
		count += counts(g, i);
	}
	if (!w->need_count && g->view == WAIT_LOOKS)
		count = 1; /* what nobody is known to be able to end */
	return count;
}

static bool group_waits(struct wait_graph *g)
{
	const struct model *m = g->m;
	uint32_t *order = new_table(m->waits.count), count = 0, last = MODEL_NONE;

	if (!order)
		return false;
	for (uint32_t i = 0; i < m->waits.count; i++)
		if (g->is_stuck[i])
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_waits, (void *)m);
	for (uint32_t n = 0; n < count; n++) {
		const struct model_wait *w = &m->waits.items[order[n]];
		const struct model_wait *before = n ? &m->waits.items[order[n - 1]] : NULL;

		if (!before || !w->need_count || before->first_need != w->first_need ||
		    before->need_count != w->need_count) {
			last = order[n];
			g->group_stuck[last] = own_needs(g, last, w);
		}
		g->wait_group[order[n]] = last;
		g->group_next[order[n]] = g->group_first[last];
		g->group_first[last] = order[n];
	}
	free(order);
	return true;
}

/* 0 where some of the ways belong to another set. */
static uint32_t own_ways(struct wait_graph *g, uint32_t set, const struct model_need *need)
{
	for (uint32_t i = need->first_way; i < need->first_way + need->way_count; i++) {
		if (g->way_set[i] != MODEL_NONE)
			return 0;
		g->way_set[i] = set;
	}
	return need->way_count;
}

static bool group_needs(struct wait_graph *g, uint32_t *overlaps)
{
	const struct model *m = g->m;
	uint32_t *order = new_table(m->needs.count), count = 0, last = MODEL_NONE;

	if (!order)
		return false;
	for (uint32_t i = 0; i < m->needs.count; i++)
		if (g->need_group[i] != MODEL_NONE && counts(g, i))
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_needs, (void *)m);
	for (uint32_t n = 0; n < count; n++) {
		const struct model_need *need = &m->needs.items[order[n]];
		const struct model_need *before = n ? &m->needs.items[order[n - 1]] : NULL;

		if (!before || !need->way_count || before->first_way != need->first_way ||
		    before->way_count != need->way_count) {
			last = order[n];
			g->set_left[last] = own_ways(g, last, need);
			if (need->way_count && !g->set_left[last])
				overlaps[(*overlaps)++ + 1] = last;
		}
		g->need_set[order[n]] = last;
		g->need_next[order[n]] = g->set_first[last];
		g->set_first[last] = order[n];
	}
	free(order);
	return true;
}

uint32_t wait_graph_way_thread(const struct wait_graph *g, const struct model_way *way,
			       uint32_t hold)
{
	if (way->thread != MODEL_NONE || g->view == WAIT_PROOF)
		return way->thread;
	if (hold != MODEL_NONE && g->m->locks.items[hold].process == way->process) {
		uint32_t thread = g->m->locks.items[hold].thread;
		char state = thread == MODEL_NONE ? 'X' : g->m->threads.items[thread].task_state;

		if (state && state != 'Z' && state != 'X')
			return thread;
	}
	return g->main[way->process];
}

static void link_ways(struct wait_graph *g)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->ways.count; i++) {
		const struct model_way *way = &m->ways.items[i];

		if (g->way_set[i] == MODEL_NONE)
			continue;
		uint32_t thread = wait_graph_way_thread(g, way, m->needs.items[g->way_set[i]].hold);
		uint32_t *list = thread == MODEL_NONE ? &g->process_way[way->process]
						      : &g->thread_way[thread];

		g->way_next[i] = *list;
		*list = i;
		g->gone_next[i] = g->process_gone[way->process];
		g->process_gone[way->process] = i;
	}
}

/* --- solving -----------------------------------------------------------------------------------
 */

/* Blocked, nobody has said in what. */
static bool looks_blocked(const struct wait_graph *g, uint32_t thread)
{
	char state = g->m->threads.items[thread].task_state;

	return g->view == WAIT_LOOKS && g->any_wait[thread] == MODEL_NONE &&
	       (state == 'S' || state == 'T' || state == 't' || state == 'D');
}

bool wait_graph_is_thread_stuck(const struct wait_graph *g, uint32_t thread)
{
	if (looks_blocked(g, thread))
		return true;
	return g->thread_wait[thread] != MODEL_NONE && g->is_stuck[g->thread_wait[thread]];
}

bool wait_graph_is_process_stuck(const struct wait_graph *g, uint32_t process)
{
	if (g->view == WAIT_LOOKS)
		return g->main[process] != MODEL_NONE &&
		       wait_graph_is_thread_stuck(g, g->main[process]);
	return g->process_stuck[process] >= g->threads[process];
}

static bool is_way_stuck(const struct wait_graph *g, const struct model_way *way, uint32_t hold)
{
	uint32_t thread = wait_graph_way_thread(g, way, hold);

	return thread == MODEL_NONE ? wait_graph_is_process_stuck(g, way->process)
				    : wait_graph_is_thread_stuck(g, thread);
}

bool wait_graph_is_way_stuck(const struct wait_graph *g, const struct model_way *way)
{
	return is_way_stuck(g, way, MODEL_NONE);
}

bool wait_graph_is_need_stuck(const struct wait_graph *g, uint32_t need)
{
	return g->need_set[need] != MODEL_NONE && !g->set_free[g->need_set[need]];
}

static void end_wait(struct wait_graph *g, uint32_t wait)
{
	if (!g->is_stuck[wait])
		return;
	g->is_stuck[wait] = 0;
	g->work[g->work_count++] = g->m->waits.items[wait].thread;
}

static void end_group(struct wait_graph *g, uint32_t group)
{
	for (uint32_t i = g->group_first[group]; i != MODEL_NONE; i = g->group_next[i])
		end_wait(g, i);
}

static void free_set(struct wait_graph *g, uint32_t set)
{
	if (g->set_free[set])
		return;
	g->set_free[set] = 1;
	for (uint32_t i = g->set_first[set]; i != MODEL_NONE; i = g->need_next[i]) {
		uint32_t group = g->need_group[i];

		if (g->group_stuck[group] && !--g->group_stuck[group])
			end_group(g, group);
	}
}

static void go_on(struct wait_graph *g, uint32_t thread)
{
	uint32_t process = g->m->threads.items[thread].process;
	bool was_stuck = g->process_stuck[process] >= g->threads[process];

	for (uint32_t i = g->thread_way[thread]; i != MODEL_NONE; i = g->way_next[i])
		free_set(g, g->way_set[i]);
	g->process_stuck[process]--;
	for (uint32_t i = g->process_way[process]; was_stuck && i != MODEL_NONE; i = g->way_next[i])
		free_set(g, g->way_set[i]);
}

static void solve(struct wait_graph *g)
{
	while (g->work_count)
		go_on(g, g->work[--g->work_count]);
}

static void begin(struct wait_graph *g, const uint32_t *overlaps)
{
	const struct model *m = g->m;

	for (uint32_t i = 0; i < m->waits.count; i++)
		if (g->is_stuck[i] && !g->group_stuck[g->wait_group[i]])
			end_wait(g, i);
	for (uint32_t i = 0; i < overlaps[0]; i++)
		free_set(g, overlaps[i + 1]);
	for (uint32_t i = 0; i < m->ways.count; i++)
		if (g->way_set[i] != MODEL_NONE &&
		    !is_way_stuck(g, &m->ways.items[i], m->needs.items[g->way_set[i]].hold))
			free_set(g, g->way_set[i]);
	solve(g);
}

int wait_graph_init(struct wait_graph *g, const struct model *m, enum wait_view view)
{
	uint32_t *overlaps = calloc(m->needs.count + (size_t)2, sizeof(*overlaps));

	*g = (struct wait_graph){.m = m, .view = view};
	bool is_ok = make_tables(g) && overlaps;

	if (is_ok) {
		count_threads(g);
		choose_waits(g);
		is_ok = group_waits(g) && group_needs(g, overlaps);
	}
	if (is_ok) {
		link_ways(g);
		begin(g, overlaps);
	} else {
		wait_graph_done(g);
	}
	free(overlaps);
	return is_ok ? 0 : -ENOMEM;
}

/* --- what if -----------------------------------------------------------------------------------
 */

/* A lock that others share stays locked; the end of a child is what its parent waits for. */
static void remove_ways(struct wait_graph *g, uint32_t process)
{
	const struct model *m = g->m;

	for (uint32_t i = g->process_gone[process]; i != MODEL_NONE; i = g->gone_next[i]) {
		uint32_t set = g->way_set[i];
		enum wait_kind kind = m->waits.items[g->need_group[set]].kind;

		if (is_by_end(kind) || (g->set_left[set] && !--g->set_left[set]))
			free_set(g, set);
	}
}

static uint32_t count_freed(const struct wait_graph *g, const uint32_t *before, uint32_t process)
{
	const struct model *m = g->m;
	bool *is_counted = calloc(m->processes.count + (size_t)1, sizeof(*is_counted));
	uint32_t count = 0;

	if (!is_counted)
		return UINT32_MAX;
	for (uint32_t i = 0; i < m->waits.count; i++) {
		uint32_t other = m->waits.items[i].process;

		if (!before[i] || g->is_stuck[i] || other == process || is_counted[other])
			continue;
		is_counted[other] = true;
		count++;
	}
	free(is_counted);
	return count;
}

uint32_t wait_graph_count_freed(struct wait_graph *g, uint32_t process)
{
	size_t size = g->state_size * sizeof(*g->state);
	uint32_t *before = malloc(size);

	if (!before)
		return UINT32_MAX;
	memcpy(before, g->state, size);
	remove_ways(g, process);
	solve(g);
	uint32_t count = count_freed(g, before, process);

	memcpy(g->state, before, size);
	free(before);
	return count;
}
