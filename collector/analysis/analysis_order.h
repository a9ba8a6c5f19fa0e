/*
 * What the parts of the detector of lock orders share: from the model's edges to a graph
 * (analysis_order_graph.c), from the graph to cycles (analysis_order.c), from a cycle to words
 * (analysis_order_report.c). Nobody else includes this.
 *
 * A step is one thing that a thread did: it held a lock and asked for another one. Steps that are
 * equal but for who did them are one arc. Locks are compared as spots: file, bytes, kind and mode.
 * The graph has two vertices for each spot: as held (its number), and as asked for (its number +
 * spot_count). Arcs lead from what is held to what is asked for; from there on a link leads to each
 * spot that, held by somebody else, would keep it waiting. A cycle of these is a deadlock if all
 * its steps can be done at one time by different threads.
 */
#ifndef LOCKJAM_ANALYSIS_ORDER_H
#define LOCKJAM_ANALYSIS_ORDER_H

#include "collector/model/model.h"

struct order_spot {
	uint32_t file; /* number of the resource; the same in all sessions */
	enum lock_kind kind;
	enum lock_mode mode;
	uint64_t start, end;
	bool is_held;
};

struct order_step {
	uint32_t edge, holding; /* of the model */
	uint32_t from, to;      /* spots */
	uint32_t depth;         /* how many locks it held */
};

struct order_arc {
	uint32_t from, to;
	uint32_t first_step, step_count; /* of several equal ones, a few */
	uint64_t times;
	bool is_covered; /* it is in a cycle that was told */
};

/* Successors of each vertex: to[start[v]..start[v + 1]). */
struct order_links {
	uint32_t *start, *to;
};

struct orders {
	struct model *m;
	uint32_t *process_ids; /* images of one process have one */
	uint32_t *files;       /* by resource */
	uint32_t *holding_spots, *edge_spots;
	struct order_spot *spots;
	uint32_t spot_count;
	struct order_step *steps;
	uint32_t step_count, step_room;
	struct order_arc *arcs; /* sorted by `from` */
	uint32_t arc_count;
	uint32_t *first_arc; /* by spot; spot_count + 1 of them */
	struct order_links ahead, back;
	uint32_t *component; /* by vertex: strongly connected */
	bool is_short;       /* not all could be looked at */
};

/* --- analysis_order_graph.c ------------------------------------------------------------------- */

/* False if memory is out. order_done() in any case. */
bool order_build(struct orders *o, struct model *m);
void order_done(struct orders *o);

/* POSIX and OFD locks see each other; all others see only their own kind. */
bool order_do_kinds_meet(enum lock_kind a, enum lock_kind b);

/* Both lead from one vertex to another in a cycle. */
static inline bool order_is_cyclic(const struct orders *o, const struct order_arc *arc)
{
	return o->component[arc->from] == o->component[o->spot_count + arc->to];
}

/* --- analysis_order_report.c ------------------------------------------------------------------ */

/* One finding from the steps of a cycle (indices into steps); each asks for what the next one
 * holds. */
void order_report(struct orders *o, const uint32_t *path, uint32_t length, uint64_t times);
/* The same of two steps that are of one class. */
void order_report_class(struct orders *o, const uint32_t path[2]);

/* --- analysis_order.c ---------------------------------------------------------------------------
 */

/* One thread does one thing at a time; so does a process that executes another program. */
bool order_is_same_thread(const struct orders *o, const struct order_step *a,
			  const struct order_step *b);

/* --- analysis_order_class.c
 * ----------------------------------------------------------------------- */

/* Reports them. After all cycles were told. False if memory is out. */
bool order_find_classes(struct orders *o);

#endif
