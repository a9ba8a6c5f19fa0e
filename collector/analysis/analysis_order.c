/*
 * lock-order and upgrade-deadlock: deadlocks that did not happen yet. Cycles of steps (see
 * analysis_order.h), each by another thread, that could stand at one moment: no lock that two of
 * them hold keeps them apart. The shortest cycle through each arc is looked for, and each set of
 * files is told once. Work is bounded; what was left out is said.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/analysis/analysis_order.h"

#define LENGTH_MAX 1024       /* of a cycle */
#define DETOUR 4              /* vertices that a cycle may have more than the shortest way */
#define VISITS_MAX (4u << 20) /* of vertices, in all searches together */
#define CHECKS_MAX (4u << 20) /* of pairs of locks */
#define TOLD_MAX 100          /* findings; more of the kind help nobody */
#define UNREACHED UINT32_MAX

struct search {
	struct orders *o;
	uint32_t *distance; /* of each vertex to the one where the cycle closes */
	uint32_t *queue;
	uint32_t queued;
	uint32_t visits, checks;
	uint32_t path[LENGTH_MAX]; /* steps */
	uint32_t arcs[LENGTH_MAX];
	uint32_t length;
	uint64_t *told; /* hashes of the files of each cycle */
	uint32_t told_count, untold;
};

/* --- can two steps be done at one time?
 * ----------------------------------------------------------- */

/* What is asked for or held, whichever record it is in. */
struct party {
	uint32_t file, process;
	enum lock_kind kind;
	enum lock_mode mode;
	uint64_t start, end, ofd;
};

static struct party party_of_holding(const struct orders *o, uint32_t holding)
{
	const struct model_holding *h = &o->m->holdings.items[holding];

	return (struct party){
		o->files[h->resource], h->process, h->kind, h->mode, h->start, h->end, h->ofd};
}

static struct party party_of_edge(const struct orders *o, uint32_t edge)
{
	const struct model_edge *e = &o->m->edges.items[edge];

	return (struct party){
		o->files[e->resource], e->process, e->kind, e->mode, e->start, e->end, e->ofd};
}

static bool is_same_owner(const struct orders *o, const struct party *a, const struct party *b)
{
	if (a->kind == LOCK_POSIX && b->kind == LOCK_POSIX)
		return o->process_ids[a->process] == o->process_ids[b->process];
	return a->kind == b->kind && a->ofd && a->ofd == b->ofd &&
	       o->m->processes.items[a->process].session ==
		       o->m->processes.items[b->process].session;
}

/* Whether one of the two keeps the other waiting. */
static bool is_conflict(const struct orders *o, const struct party *a, const struct party *b)
{
	if (a->file != b->file || a->start > b->end || b->start > a->end ||
	    (a->mode == MODE_READ && b->mode == MODE_READ) ||
	    !order_do_kinds_meet(a->kind, b->kind))
		return false;
	return !is_same_owner(o, a, b);
}

bool order_is_same_thread(const struct orders *o, const struct order_step *a,
			  const struct order_step *b)
{
	const struct model_edge *x = &o->m->edges.items[a->edge], *y = &o->m->edges.items[b->edge];

	if (o->process_ids[x->process] != o->process_ids[y->process])
		return false;
	return x->process != y->process || (x->by == y->by && !x->by_other && !y->by_other);
}

/* A lock that both hold, and that only one can have: the gate. */
static bool is_kept_apart(struct search *s, const struct order_step *a, const struct order_step *b)
{
	const struct orders *o = s->o;
	const struct model_holding *holdings = o->m->holdings.items;

	for (uint32_t i = o->m->edges.items[a->edge].held; i != MODEL_NONE; i = holdings[i].under) {
		struct party x = party_of_holding(o, i);

		for (uint32_t k = o->m->edges.items[b->edge].held; k != MODEL_NONE;
		     k = holdings[k].under) {
			struct party y = party_of_holding(o, k);

			s->checks++;
			if (is_conflict(o, &x, &y))
				return true;
		}
	}
	return false;
}

static bool fits(struct search *s, uint32_t step)
{
	const struct order_step *steps = s->o->steps;

	for (uint32_t i = 0; i < s->length; i++)
		if (order_is_same_thread(s->o, &steps[s->path[i]], &steps[step]) ||
		    is_kept_apart(s, &steps[s->path[i]], &steps[step]))
			return false;
	return true;
}

/* What `first` asks for is held by `then`. */
static bool waits_for(const struct orders *o, uint32_t first, uint32_t then)
{
	struct party asked = party_of_edge(o, o->steps[first].edge);
	struct party held = party_of_holding(o, o->steps[then].holding);

	return is_conflict(o, &asked, &held);
}

/* --- the shortest way back
 * ------------------------------------------------------------------------ */

static void forget_distances(struct search *s)
{
	for (uint32_t i = 0; i < s->queued; i++)
		s->distance[s->queue[i]] = UNREACHED;
	s->queued = 0;
}

/* Distances to `target`, as far as `from` and a detour; that of `from`, or UNREACHED. */
static uint32_t measure(struct search *s, uint32_t target, uint32_t from)
{
	const struct orders *o = s->o;
	uint32_t limit = UNREACHED - DETOUR - 1;

	forget_distances(s);
	s->distance[target] = 0;
	s->queue[s->queued++] = target;
	for (uint32_t done = 0; done < s->queued; done++) {
		uint32_t v = s->queue[done], far = s->distance[v] + 1;

		if (far > limit + DETOUR)
			break;
		for (uint32_t i = o->back.start[v]; i < o->back.start[v + 1]; i++) {
			uint32_t to = o->back.to[i];

			s->visits++;
			if (s->distance[to] != UNREACHED ||
			    o->component[to] != o->component[target])
				continue;
			s->distance[to] = far;
			s->queue[s->queued++] = to;
			if (to == from)
				limit = far;
		}
	}
	return s->distance[from];
}

static bool is_tired(const struct search *s)
{
	return s->visits > VISITS_MAX || s->checks > CHECKS_MAX;
}

static bool is_near(const struct search *s, uint32_t vertex, uint32_t left)
{
	return s->distance[vertex] != UNREACHED && s->distance[vertex] <= left;
}

static bool extend(struct search *s, uint32_t target, uint32_t left);

/* Each way to take the arc. */
static bool take_arc(struct search *s, uint32_t arc, uint32_t target, uint32_t left)
{
	const struct order_arc *a = &s->o->arcs[arc];

	for (uint32_t i = a->first_step; i < a->first_step + a->step_count; i++) {
		s->checks++;
		if (s->length && (!waits_for(s->o, s->path[s->length - 1], i) || !fits(s, i)))
			continue;
		s->arcs[s->length] = arc;
		s->path[s->length++] = i;
		if (extend(s, target, left))
			return true;
		s->length--;
		if (is_tired(s))
			break;
	}
	return false;
}

/* From what the last step asks for, in at most `left` vertices back to the first step's hold. */
static bool extend(struct search *s, uint32_t target, uint32_t left)
{
	const struct orders *o = s->o;
	uint32_t asked = o->spot_count + o->steps[s->path[s->length - 1]].to;

	if (s->length > 1 && is_near(s, asked, 1) &&
	    waits_for(o, s->path[s->length - 1], s->path[0]))
		return true;
	for (uint32_t i = o->ahead.start[asked]; left >= 3 && i < o->ahead.start[asked + 1]; i++) {
		uint32_t held = o->ahead.to[i];

		for (uint32_t arc = o->first_arc[held];
		     s->length < LENGTH_MAX && arc < o->first_arc[held + 1]; arc++)
			if (is_near(s, o->spot_count + o->arcs[arc].to, left - 2) &&
			    take_arc(s, arc, target, left - 2))
				return true;
	}
	return false;
}

static bool find_cycle(struct search *s, uint32_t arc)
{
	const struct order_arc *a = &s->o->arcs[arc];
	uint32_t shortest = measure(s, a->from, s->o->spot_count + a->to);

	if (shortest >= 2 * LENGTH_MAX)
		return false;
	for (uint32_t left = shortest; left <= shortest + DETOUR && !is_tired(s); left += 2) {
		s->length = 0;
		if (take_arc(s, arc, a->from, left))
			return true;
	}
	return false;
}

/* --- all of them
 * ---------------------------------------------------------------------------------- */

/* Which files it is about, whatever ranges and modes; an upgrade is another matter. */
static uint64_t hash_files(const struct search *s)
{
	uint64_t sum = s->length;

	for (uint32_t i = 0; i < s->length; i++) {
		const struct order_step *step = &s->o->steps[s->path[i]];
		uint64_t x = s->o->spots[step->from].file * UINT64_C(2) +
			     (s->o->spots[step->from].file == s->o->spots[step->to].file) + 1;

		x *= UINT64_C(0x9e3779b97f4a7c15);
		x = (x ^ x >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
		sum += x ^ x >> 29;
	}
	return sum;
}

static bool was_told(struct search *s)
{
	uint64_t hash = hash_files(s);

	for (uint32_t i = 0; i < s->told_count; i++)
		if (s->told[i] == hash)
			return true;
	if (s->told_count == TOLD_MAX) {
		s->untold++;
		return true;
	}
	s->told[s->told_count++] = hash;
	return false;
}

static void tell_cycle(struct search *s)
{
	uint64_t times = 0;

	for (uint32_t i = 0; i < s->length; i++) {
		struct order_arc *arc = &s->o->arcs[s->arcs[i]];

		arc->is_covered = true;
		times += arc->times;
	}
	if (!was_told(s))
		order_report(s->o, s->path, s->length, times);
}

static bool search_begin(struct search *s, struct orders *o)
{
	size_t vertices = 2 * (size_t)o->spot_count + 1;

	s->o = o;
	s->distance = malloc(vertices * sizeof(*s->distance));
	s->queue = malloc(vertices * sizeof(*s->queue));
	s->told = calloc(TOLD_MAX, sizeof(*s->told));
	if (!s->distance || !s->queue || !s->told)
		return false;
	memset(s->distance, 0xff, vertices * sizeof(*s->distance));
	return true;
}

static void search_end(struct search *s)
{
	free(s->distance);
	free(s->queue);
	free(s->told);
	free(s);
}

static void search_all(struct search *s)
{
	struct orders *o = s->o;

	for (uint32_t i = 0; i < o->arc_count && !is_tired(s); i++)
		if (!o->arcs[i].is_covered && order_is_cyclic(o, &o->arcs[i]) && find_cycle(s, i))
			tell_cycle(s);
	o->m->out_of_memory |= !order_find_classes(o);
	if (s->untold)
		model_note(o->m, "%u more lock orders that contradict each other are not shown",
			   s->untold);
	if (is_tired(s) || o->is_short)
		model_note(o->m,
			   "not all recorded orders of locks could be compared: there are too "
			   "many");
}

void detect_orders(struct model *m)
{
	struct search *s = NULL;
	struct orders o;

	if (!m->edges.count)
		return;
	bool is_fine = order_build(&o, m) && (s = calloc(1, sizeof(*s))) && search_begin(s, &o);

	if (is_fine)
		search_all(s);
	else
		m->out_of_memory = true;
	if (s)
		search_end(s);
	order_done(&o);
}
