/*
 * What the parts of the detector of deadlock cycles share: the search (analysis_cycle.c), what the
 * records tell of processes that have ended (analysis_ended.c), and the words
 * (analysis_cycle_report.c). Nobody else includes this.
 */
#ifndef LOCKJAM_ANALYSIS_CYCLE_H
#define LOCKJAM_ANALYSIS_CYCLE_H

#include "collector/model/model.h"

/* A request that was not granted, of a process that holds something itself. */
struct wait {
	uint32_t lock;
	uint32_t next; /* wait that holds what this one needs; index into waits */
	uint32_t hold; /* the lock that `next` holds */
	uint32_t mark; /* of the search for cycles: 1 + its start */
	bool is_stuck;
};

/* Adds the finding of the cycle in which waits[start] is. */
void cycle_report(struct model *m, const struct wait *waits, uint32_t start);

/*
 * Until when each process lived at the latest (UINT64_MAX: nobody knows), by process. Where a lock
 * that it never gave back was granted to somebody else, it had ended: records of several runs may
 * lie in one directory. `holds` are locks of the model, sorted by resource, then by since_ns.
 */
void cycle_ends(const struct model *m, const uint32_t *holds, uint32_t hold_count, uint64_t *ends);

/* Whether the two cannot both be held, or the one not be asked for while the other is held. */
bool cycle_is_conflict(const struct model_lock *a, const struct model_lock *b);

#endif
