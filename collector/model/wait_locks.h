/*
 * From the locks of the model to the waits for them: who waits needs every hold that conflicts with
 * his request to go; a hold goes when one of those who can release it does. Pure.
 */
#ifndef LOCKJAM_WAIT_LOCKS_H
#define LOCKJAM_WAIT_LOCKS_H

#include "collector/model/model.h"

/*
 * Adds a WAIT_LOCK to waits[] for each request in locks[] that has none yet. What may not be part
 * of a proof, because it was deduced or glimpsed or is known from a record alone, is there and says
 * so (unseen).
 */
void wait_add_locks(struct model *m);

/* "WRITE lock on /mail/cyrus.index", "mutex 0x55d0c0a4 (cache_lock)"; owned by the model. */
const char *wait_lock_text(struct model *m, const struct model_lock *l);

/* --- wait_ended.c ------------------------------------------------------------------------------ */

/* Whether the two cannot both be held, or the one not be asked for while the other is held. */
bool wait_is_conflict(const struct model_lock *a, const struct model_lock *b);

/*
 * Until when each process lived at the latest (UINT64_MAX: nobody knows), by process. Where a lock
 * that it never gave back was granted to somebody else, it had ended: records of several runs may
 * lie in one directory. `holds` are locks of the model, sorted by resource, then by since_ns.
 */
void wait_ends(const struct model *m, const uint32_t *holds, uint32_t hold_count, uint64_t *ends);

#endif
