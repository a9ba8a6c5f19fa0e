/*
 * What the files share that bring one segment's records into the model: segment_model.c and, for
 * one kind of record each, segment_order.c and segment_uses.c. Nobody else includes this. Records are another user's:
 * every index and enumeration in them is checked.
 */
#ifndef LOCKJAM_SEGMENT_IMPORT_H
#define LOCKJAM_SEGMENT_IMPORT_H

#include "collector/source/source.h"

/* The model's indices of one segment's records: [table][index - 1]. */
struct importer {
	struct gather *g;
	struct model *m;
	const struct segment *s;
	uint32_t process;
	enum process_state state;
	uint32_t *map[SEG_TABLE_IDS];
	uint32_t damaged; /* records with impossible values */
	uint64_t shift_ns; /* from its clock to that of the session that is shown; wraps */
};

typedef void import_fn(struct importer *im, uint32_t index, const void *record);

/* The model's index of a record, MODEL_NONE for none, and for what was left out. */
uint32_t import_mapped(const struct importer *im, enum seg_table_id table, uint32_t index);
/* The latest time in any record is what is called now, in a saved session. */
void import_saw_time(struct importer *im, uint64_t ns);
/* A stack becomes part of the model when something names it. */
uint32_t import_stack(struct importer *im, uint32_t index);
/* By enum seg_lock_kind. */
extern const enum lock_kind import_lock_kinds[];

/* --- segment_order.c: records of lock orders; holdings before edges --------------------------- */
import_fn import_holding, import_edge;

/* --- segment_lost.c: POSIX locks that were lost ------------------------------------------------- */
import_fn import_lost;

/* --- segment_uses.c: locks and handlers; uses before what names them -------------------------- */
import_fn import_use;
/* Of a lock's record, when both tables are there: its request was made in a handler. */
import_fn import_use_of_lock;
/* What the code held that the handler of a call had come into. */
void import_held(const struct importer *im, struct model_call *c, const struct seg_finding *r);

#endif
