/*
 * What locks tell about each other: which conflict, and when the processes of old records had
 * ended. See analysis_cycle.h.
 */
#include "config.h"

#include "collector/analysis/analysis_cycle.h"

static bool is_same_owner(const struct model_lock *a, const struct model_lock *b)
{
	if (a->kind == LOCK_POSIX || b->kind == LOCK_POSIX)
		return a->kind == b->kind && a->process == b->process;
	/* An unknown file description may be the same one. */
	return a->ofd == b->ofd || !a->ofd || !b->ofd;
}

/* POSIX and OFD locks see each other, flock locks only themselves; leases never wait in a cycle. */
bool cycle_is_conflict(const struct model_lock *a, const struct model_lock *b)
{
	if (a->resource != b->resource || a->kind == LOCK_LEASE || b->kind == LOCK_LEASE)
		return false;
	if ((a->kind == LOCK_FLOCK) != (b->kind == LOCK_FLOCK))
		return false;
	if (a->mode != MODE_WRITE && b->mode != MODE_WRITE)
		return false;
	return a->start <= b->end && b->start <= a->end && !is_same_owner(a, b);
}

/* The first later hold that cannot be beside holds[at]: whoever had that one was gone by then. */
static uint64_t find_end(const struct model *m, const uint32_t *holds, uint32_t count, uint32_t at)
{
	const struct model_lock *h = &m->locks.items[holds[at]];

	for (uint32_t i = at + 1; i < count; i++) {
		const struct model_lock *later = &m->locks.items[holds[i]];
		if (later->resource != h->resource)
			break;
		if (later->since_ns > h->since_ns && cycle_is_conflict(h, later))
			return later->since_ns;
	}
	return UINT64_MAX;
}

void cycle_ends(const struct model *m, const uint32_t *holds, uint32_t hold_count, uint64_t *ends)
{
	for (uint32_t i = 0; i < m->processes.count; i++)
		ends[i] = m->processes.items[i].ended_ns ? m->processes.items[i].ended_ns
							 : UINT64_MAX;
	for (uint32_t i = 0; i < hold_count; i++) {
		const struct model_lock *h = &m->locks.items[holds[i]];
		uint64_t end = h->evidence == EVIDENCE_RECORDED && h->since_ns
				       ? find_end(m, holds, hold_count, i)
				       : UINT64_MAX;
		if (end < ends[h->process])
			ends[h->process] = end;
	}
}
