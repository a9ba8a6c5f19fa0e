/*
 * What the parts of the detector of deadlock cycles share: the search (analysis_cycle.c) and the
 * words (analysis_cycle_report.c). Nobody else includes this.
 */
#ifndef LOCKJAM_ANALYSIS_CYCLE_H
#define LOCKJAM_ANALYSIS_CYCLE_H

#include "collector/model/model.h"

/* A wait that cannot end, and the one that it cannot end because of. */
struct edge {
	uint32_t need; /* of the wait: that cannot be met */
	uint32_t next; /* the wait of who would have to meet it; MODEL_NONE: the wait is not stuck */
	uint32_t mark; /* of the search for cycles: 1 + its start */
};

/* Adds the finding of the cycle in which wait `start` is, as the deadlock of that number. `edges`:
 * by wait. */
void cycle_report(struct model *m, const struct edge *edges, uint32_t start, uint32_t number);

#endif
