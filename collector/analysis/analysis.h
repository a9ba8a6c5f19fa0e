/*
 * The analysis: findings from a model. Pure: no I/O, no clock, a stable order, so that tests build
 * models by hand and compare.
 */
#ifndef LOCKJAM_ANALYSIS_H
#define LOCKJAM_ANALYSIS_H

#include "collector/model/model.h"

/*
 * The next handler record of the same process that differs in flags that matter, of the same signal
 * and function; MODEL_NONE. analyse() judges by where both were installed: their stacks must have
 * been resolved before.
 */
uint32_t analysis_next_flags(const struct model *m, uint32_t handler, uint32_t after);

/* Appends all findings, sorted by kind (findings.def), process, first_ns. Calls that are to be
 * judged must be classified before (stacks_classify). */
void analyse(struct model *m);

/* There is something among the findings, of living processes, that only a second look proves:
 * DEADLOCK_CYCLE, DEAD_OWNER. */
bool analysis_has_cycle(const struct model *m);

/* Takes out each of them that is not found again in a model made later: the same processes, locks
 * and, where they are known, the same requests. */
void analysis_confirm(struct model *m, const struct model *again);

#endif
