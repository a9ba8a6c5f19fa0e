/* From recorded orders of locks to a graph: see analysis_order.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_order.h"

#define DEPTH_MAX 128         /* of a chain of holds */
#define STEPS_MAX (4u << 20)  /* of hostile records there may be any number */
#define LOOKS_MAX (32u << 20) /* at pairs of ranges in one file */
#define ARC_STEPS 8           /* kept of equal ones */
#define ARC_STEPS_ANY 4       /* of these, also several of one thread */

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* --- the same process, the same file ------------------------------------------------------------
 */

static int compare_processes(const void *x, const void *y, void *data)
{
	const struct model *m = data;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct model_process *p = &m->processes.items[a], *q = &m->processes.items[b];
	int order = compare(p->pid, q->pid);

	order = order ? order : compare(p->start_time, q->start_time);
	/* Whose start is not known is nobody else. */
	return order || p->start_time ? order : compare(a, b);
}

static int compare_resources(const void *x, const void *y, void *data)
{
	const struct model *m = data;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct model_resource *p = &m->resources.items[a], *q = &m->resources.items[b];
	int order = compare(p->kind, q->kind);

	order = order ? order : compare(p->dev, q->dev);
	order = order ? order : compare(p->ino, q->ino);
	if (order || (p->kind == RESOURCE_FILE && p->ino))
		return order;
	order = compare(p->process, q->process);
	order = order ? order : compare(p->address, q->address);
	return order || p->address ? order : compare(a, b);
}

/* Numbers items so that equal ones have one number: the least index among them. */
static uint32_t *number(struct model *m, uint32_t count,
			int (*compare_items)(const void *, const void *, void *))
{
	uint32_t *sorted = calloc(count + (size_t)1, sizeof(*sorted));
	uint32_t *numbers = calloc(count + (size_t)1, sizeof(*numbers)), first = 0;

	for (uint32_t i = 0; sorted && i < count; i++)
		sorted[i] = i;
	if (sorted && numbers)
		qsort_r(sorted, count, sizeof(*sorted), compare_items, m);
	for (uint32_t i = 0; sorted && numbers && i < count; i++) {
		if (i && compare_items(&sorted[first], &sorted[i], m))
			first = i;
		numbers[sorted[i]] = sorted[first];
	}
	free(sorted);
	return numbers;
}

/* --- spots --------------------------------------------------------------------------------------
 */

struct place {
	struct order_spot spot;
	uint32_t *number; /* where it is wanted */
};

static int compare_spots(const struct order_spot *a, const struct order_spot *b)
{
	int order = compare(a->file, b->file);

	order = order ? order : compare(a->start, b->start);
	order = order ? order : compare(a->end, b->end);
	order = order ? order : compare(a->kind, b->kind);
	return order ? order : compare(a->mode, b->mode);
}

static int compare_places(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	return compare_spots(&a->spot, &b->spot);
}

static bool find_spots(struct orders *o)
{
	struct model *m = o->m;
	uint32_t holdings = m->holdings.count, count = holdings + m->edges.count;
	struct place *places = calloc(count, sizeof(*places));

	o->spots = calloc(count, sizeof(*o->spots));
	if (!places || !o->spots) {
		free(places);
		return false;
	}
	for (uint32_t i = 0; i < holdings; i++) {
		const struct model_holding *h = &m->holdings.items[i];

		places[i] = (struct place){
			{o->files[h->resource], h->kind, h->mode, h->start, h->end, true},
			&o->holding_spots[i]};
	}
	for (uint32_t i = 0; i < m->edges.count; i++) {
		const struct model_edge *e = &m->edges.items[i];

		places[holdings + i] = (struct place){
			{o->files[e->resource], e->kind, e->mode, e->start, e->end, false},
			&o->edge_spots[i]};
	}
	qsort(places, count, sizeof(*places), compare_places);
	for (uint32_t i = 0; i < count; i++) {
		if (!i || compare_places(&places[i - 1], &places[i]))
			o->spots[o->spot_count++] = places[i].spot;
		o->spots[o->spot_count - 1].is_held |= places[i].spot.is_held;
		*places[i].number = o->spot_count - 1;
	}
	free(places);
	return true;
}

/* --- steps and arcs -----------------------------------------------------------------------------
 */

static bool add_step(struct orders *o, struct order_step step)
{
	if (o->step_count == o->step_room) {
		uint32_t room = o->step_room ? o->step_room * 2 : 256;
		struct order_step *grown = reallocarray(o->steps, room, sizeof(*grown));

		if (!grown)
			return false;
		o->steps = grown;
		o->step_room = room;
	}
	o->steps[o->step_count++] = step;
	return true;
}

static uint32_t depth_of(const struct model *m, uint32_t holding)
{
	uint32_t depth = 0;

	for (; holding != MODEL_NONE && depth < DEPTH_MAX; depth++)
		holding = m->holdings.items[holding].under;
	return depth;
}

/* One step for each lock that was held. */
static bool add_edge(struct orders *o, uint32_t edge)
{
	const struct model *m = o->m;
	uint32_t at = m->edges.items[edge].held, depth = depth_of(m, at);

	if (depth > STEPS_MAX - o->step_count) {
		o->is_short = true;
		return true;
	}
	for (uint32_t i = 0; i < depth; i++, at = m->holdings.items[at].under)
		if (!add_step(o, (struct order_step){edge, at, o->holding_spots[at],
						     o->edge_spots[edge], depth}))
			return false;
	return true;
}

/* Who held the least comes first: the more is held, the more may keep two steps apart. */
static int compare_steps(const void *x, const void *y)
{
	const struct order_step *a = x, *b = y;
	int order = compare(a->from, b->from);

	order = order ? order : compare(a->to, b->to);
	order = order ? order : compare(a->depth, b->depth);
	order = order ? order : compare(a->edge, b->edge);
	return order ? order : compare(a->holding, b->holding);
}

/* Whether the step tells something new beside those that are kept: steps[first..first + kept). */
static bool is_worth_keeping(const struct orders *o, uint32_t first, uint32_t kept, uint32_t step)
{
	const struct model_edge *edges = o->m->edges.items;
	const struct order_step *s = &o->steps[step];

	if (kept == ARC_STEPS)
		return false;
	for (uint32_t i = first; i < first + kept; i++) {
		const struct order_step *k = &o->steps[i];

		if (edges[k->edge].process == edges[s->edge].process &&
		    edges[k->edge].by == edges[s->edge].by &&
		    (k->depth == s->depth || kept >= ARC_STEPS_ANY))
			return false;
	}
	return true;
}

static bool find_arcs(struct orders *o)
{
	qsort(o->steps, o->step_count, sizeof(*o->steps), compare_steps);
	o->arcs = calloc(o->step_count + (size_t)1, sizeof(*o->arcs));
	o->first_arc = calloc(o->spot_count + (size_t)1, sizeof(*o->first_arc));
	if (!o->arcs || !o->first_arc)
		return false;
	for (uint32_t i = 0; i < o->step_count; i++) {
		struct order_arc *arc = o->arc_count ? &o->arcs[o->arc_count - 1] : NULL;
		const struct order_step s = o->steps[i];

		if (!arc || arc->from != s.from || arc->to != s.to) {
			arc = &o->arcs[o->arc_count++];
			*arc = (struct order_arc){.from = s.from, .to = s.to, .first_step = i};
		}
		arc->times += o->m->edges.items[s.edge].count;
		if (is_worth_keeping(o, arc->first_step, arc->step_count, i))
			o->steps[arc->first_step + arc->step_count++] = s;
	}
	for (uint32_t i = 0, spot = 0; spot <= o->spot_count; spot++) {
		while (i < o->arc_count && o->arcs[i].from < spot)
			i++;
		o->first_arc[spot] = i;
	}
	return true;
}

/* --- links --------------------------------------------------------------------------------------
 */

struct pairs {
	struct {
		uint32_t from, to;
	} * items;
	uint32_t count, room;
};

static bool add_pair(struct pairs *p, uint32_t from, uint32_t to)
{
	if (p->count == p->room) {
		uint32_t room = p->room ? p->room * 2 : 1024;
		void *grown = reallocarray(p->items, room, sizeof(*p->items));

		if (!grown)
			return false;
		p->items = grown;
		p->room = room;
	}
	p->items[p->count].from = from;
	p->items[p->count++].to = to;
	return true;
}

bool order_do_kinds_meet(enum lock_kind a, enum lock_kind b)
{
	bool a_is_range = a == LOCK_POSIX || a == LOCK_OFD;
	bool b_is_range = b == LOCK_POSIX || b == LOCK_OFD;

	return a_is_range || b_is_range ? a_is_range && b_is_range : a == b;
}

static bool can_keep_waiting(const struct order_spot *held, const struct order_spot *asked)
{
	return held->is_held && held->file == asked->file && held->start <= asked->end &&
	       asked->start <= held->end &&
	       (held->mode == MODE_WRITE || asked->mode == MODE_WRITE) &&
	       order_do_kinds_meet(held->kind, asked->kind);
}

/* From a spot that is asked for to all that would keep it waiting. Spots are sorted by file and
 * start. */
static bool add_conflicts(struct orders *o, struct pairs *pairs, uint32_t asked, uint32_t *looks)
{
	const struct order_spot *a = &o->spots[asked];
	uint32_t low = 0, high = asked;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (o->spots[middle].file < a->file)
			low = middle + 1;
		else
			high = middle;
	}
	for (uint32_t i = low;
	     i < o->spot_count && o->spots[i].file == a->file && o->spots[i].start <= a->end; i++) {
		if (++*looks > LOOKS_MAX) {
			o->is_short = true;
			return true;
		}
		if (can_keep_waiting(&o->spots[i], a) && !add_pair(pairs, o->spot_count + asked, i))
			return false;
	}
	return true;
}

/* Counting sort by `from`, or turned round by `to`. */
static bool link_up(const struct pairs *p, uint32_t vertices, bool is_back,
		    struct order_links *links)
{
	links->start = calloc(vertices + (size_t)2, sizeof(*links->start));
	links->to = calloc(p->count + (size_t)1, sizeof(*links->to));
	if (!links->start || !links->to)
		return false;
	for (uint32_t i = 0; i < p->count; i++)
		links->start[(is_back ? p->items[i].to : p->items[i].from) + 2]++;
	for (uint32_t v = 2; v <= vertices; v++)
		links->start[v] += links->start[v - 1];
	for (uint32_t i = 0; i < p->count; i++) {
		uint32_t from = is_back ? p->items[i].to : p->items[i].from;

		links->to[links->start[from + 1]++] = is_back ? p->items[i].from : p->items[i].to;
	}
	return true;
}

static bool find_links(struct orders *o)
{
	uint32_t vertices = 2 * o->spot_count, looks = 0;
	bool *is_asked = calloc(o->spot_count, sizeof(*is_asked));
	struct pairs pairs = {0};
	bool is_fine = is_asked;

	for (uint32_t i = 0; is_fine && i < o->arc_count; i++) {
		is_asked[o->arcs[i].to] = true;
		is_fine = add_pair(&pairs, o->arcs[i].from, o->spot_count + o->arcs[i].to);
	}
	for (uint32_t i = 0; is_fine && i < o->spot_count; i++)
		if (is_asked[i])
			is_fine = add_conflicts(o, &pairs, i, &looks);
	is_fine = is_fine && link_up(&pairs, vertices, false, &o->ahead) &&
		  link_up(&pairs, vertices, true, &o->back);
	free(pairs.items);
	free(is_asked);
	return is_fine;
}

/* --- strongly connected components (Tarjan), without recursion
 * ------------------------------------ */

struct tarjan {
	const struct order_links *links;
	uint32_t *component; /* 0: not done; at the end numbered from 1 */
	uint32_t *order, *low, *next;
	uint32_t *open, *walk; /* stacks */
	uint32_t open_count, walk_count, orders, components;
};

static void enter_vertex(struct tarjan *t, uint32_t v)
{
	t->order[v] = t->low[v] = ++t->orders;
	t->next[v] = t->links->start[v];
	t->open[t->open_count++] = v;
	t->walk[t->walk_count++] = v;
}

static void leave_vertex(struct tarjan *t, uint32_t v)
{
	t->walk_count--;
	if (t->walk_count) {
		uint32_t parent = t->walk[t->walk_count - 1];

		if (t->low[v] < t->low[parent])
			t->low[parent] = t->low[v];
	}
	if (t->low[v] != t->order[v])
		return;
	t->components++;
	while (!t->component[v])
		t->component[t->open[--t->open_count]] = t->components;
}

static void walk_from(struct tarjan *t, uint32_t root)
{
	enter_vertex(t, root);
	while (t->walk_count) {
		uint32_t v = t->walk[t->walk_count - 1];

		if (t->next[v] == t->links->start[v + 1]) {
			leave_vertex(t, v);
			continue;
		}
		uint32_t to = t->links->to[t->next[v]++];

		if (!t->order[to])
			enter_vertex(t, to);
		else if (!t->component[to] && t->order[to] < t->low[v])
			t->low[v] = t->order[to];
	}
}

static bool find_components(struct orders *o)
{
	uint32_t vertices = 2 * o->spot_count;
	uint32_t *room = calloc(vertices + (size_t)1, 5 * sizeof(*room));

	o->component = calloc(vertices + (size_t)1, sizeof(*o->component));
	if (!room || !o->component) {
		free(room);
		return false;
	}
	struct tarjan t = {.links = &o->ahead,
			   .component = o->component,
			   .order = room,
			   .low = room + vertices,
			   .next = room + 2 * (size_t)vertices,
			   .open = room + 3 * (size_t)vertices,
			   .walk = room + 4 * (size_t)vertices};

	for (uint32_t v = 0; v < vertices; v++)
		if (!t.order[v])
			walk_from(&t, v);
	free(room);
	return true;
}

/* --- all of it
 * ------------------------------------------------------------------------------------ */

bool order_build(struct orders *o, struct model *m)
{
	*o = (struct orders){.m = m};
	o->process_ids = number(m, m->processes.count, compare_processes);
	o->files = number(m, m->resources.count, compare_resources);
	o->holding_spots = calloc(m->holdings.count, sizeof(*o->holding_spots));
	o->edge_spots = calloc(m->edges.count, sizeof(*o->edge_spots));
	if (!o->process_ids || !o->files || !o->holding_spots || !o->edge_spots || !find_spots(o))
		return false;
	for (uint32_t i = 0; i < m->edges.count; i++)
		if (!add_edge(o, i))
			return false;
	return find_arcs(o) && find_links(o) && find_components(o);
}

void order_done(struct orders *o)
{
	free(o->process_ids);
	free(o->files);
	free(o->holding_spots);
	free(o->edge_spots);
	free(o->spots);
	free(o->steps);
	free(o->arcs);
	free(o->first_arc);
	free(o->ahead.start);
	free(o->ahead.to);
	free(o->back.start);
	free(o->back.to);
	free(o->component);
}
