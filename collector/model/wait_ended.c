/*
 * What locks tell about each other: which conflict, and when the processes of old records had
 * ended. See wait_locks.h.
 */
#include "config.h"

#include "collector/model/wait_locks.h"

static bool is_same_owner(const struct model_lock *a, const struct model_lock *b)
{
	/* Who waits for a thread lock that it holds itself waits for ever. */
	if (lock_is_of_threads(a->kind))
		return false;
	if (a->kind == LOCK_POSIX || b->kind == LOCK_POSIX)
		return a->kind == b->kind && a->process == b->process;
	/* An unknown file description may be the same one. */
	return a->ofd == b->ofd || !a->ofd || !b->ofd;
}

/* POSIX and OFD locks see each other, all others only their own kind; leases conflict with none. */
static bool is_same_family(enum lock_kind a, enum lock_kind b)
{
	bool is_range = (a == LOCK_POSIX || a == LOCK_OFD) && (b == LOCK_POSIX || b == LOCK_OFD);

	return is_range || (a == b && a != LOCK_LEASE);
}

bool wait_is_conflict(const struct model_lock *a, const struct model_lock *b)
{
	if (a->resource != b->resource || !is_same_family(a->kind, b->kind))
		return false;
	if (a->mode != MODE_WRITE && b->mode != MODE_WRITE)
		return false;
	return a->start <= b->end && b->start <= a->end && !is_same_owner(a, b);
}

static bool is_of_the_ended(const struct model *m, const struct model_lock *l)
{
	return l->evidence == EVIDENCE_RECORDED &&
	       m->processes.items[l->process].state != PROCESS_LIVE;
}

/* The first later hold that cannot be beside holds[at]: whoever had that one was gone by then. */
static uint64_t find_end(const struct model *m, const uint32_t *holds, uint32_t count, uint32_t at)
{
	const struct model_lock *h = &m->locks.items[holds[at]];

	for (uint32_t i = at + 1; i < count; i++) {
		const struct model_lock *later = &m->locks.items[holds[i]];
		if (later->resource != h->resource)
			break;
		if (later->since_ns > h->since_ns && wait_is_conflict(h, later))
			return later->since_ns;
	}
	return UINT64_MAX;
}

void wait_ends(const struct model *m, const uint32_t *holds, uint32_t hold_count, uint64_t *ends)
{
	for (uint32_t i = 0; i < m->processes.count; i++)
		ends[i] = m->processes.items[i].ended_ns ? m->processes.items[i].ended_ns
							 : UINT64_MAX;
	for (uint32_t i = 0; i < hold_count; i++) {
		const struct model_lock *h = &m->locks.items[holds[i]];
		uint64_t end = is_of_the_ended(m, h) && h->since_ns
				       ? find_end(m, holds, hold_count, i)
				       : UINT64_MAX;
		if (end < ends[h->process])
			ends[h->process] = end;
	}
}
