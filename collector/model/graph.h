/*
 * The order in which holders and waiters are shown: each hold, then who is queued behind it.
 * Pure: model in, list out.
 */
#ifndef LOCKJAM_GRAPH_H
#define LOCKJAM_GRAPH_H

#include "collector/model/model.h"

struct graph_node {
	uint32_t lock;
	uint32_t depth; /* 0: a hold, or a waiter whose blocker is unknown; 1: queued behind it;
			 * deeper: queued behind another waiter */
};

struct graph {
	struct graph_node *nodes;
	uint32_t count;
};

/* Whether `hold` stands in the way of what `waiter` asks for, by the rules of their kinds. */
bool graph_conflicts(const struct model *m, uint32_t hold, uint32_t waiter);

/*
 * Contended holds first (most waiters first), then by path, range and pid; holds without waiters
 * last; several holders that block one waiter stand one under the other, the waiters under the
 * last. EVIDENCE_STALE locks and copies (is_copy) are left out, and
 * what the dead held while others of their session still run. 0 or -ENOMEM.
 */
int graph_build(const struct model *m, struct graph *g);
void graph_done(struct graph *g);

#endif
