/*
 * The analysis: findings from a model. Pure: no I/O, no clock, a stable order, so that tests build
 * models by hand and compare.
 */
#ifndef LOCKJAM_ANALYSIS_H
#define LOCKJAM_ANALYSIS_H

#include "collector/model.h"

/* Appends all findings, sorted by kind (findings.def), process, first_ns. Calls that are to be
 * judged must be classified before (stacks_classify). */
void analyse(struct model *m);

#endif
