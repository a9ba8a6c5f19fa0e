/*
 * Waits for locks, from the locks. See wait_locks.h.
 *
 * Thousands may wait for what thousands hold: those who ask for the same and hold nothing of it
 * themselves share their needs, and needs of one hold share its ways.
 */
#include "config.h"

#include "collector/model/wait_locks.h"

#include <stdlib.h>

#define NEEDS_MAX 2000000 /* in all; 48 MB */

struct maker {
	struct model *m;
	uint32_t *locks; /* all that are not stale, by resource, then by time */
	uint32_t lock_count;
	uint32_t *first; /* by resource: its first in locks; one more at the end */
	uint32_t *waits; /* requests, those for the same one behind the other */
	uint32_t wait_count;
	uint64_t *ends;    /* by process: it lived no longer than this */
	uint32_t *threads; /* by process: how many it has; 0 unknown */
	uint32_t *only;    /* by process: its last thread */
	uint32_t
		*holds_of; /* by process: 1 + the resource of which it was seen to hold something */
	uint32_t *way_first, *way_count; /* by hold: where its ways are; UINT32_MAX not yet */
	const char **way_unseen;         /* by hold: why they are not all */
};

static const struct model_lock *lock_at(const struct maker *k, uint32_t lock)
{
	return &k->m->locks.items[lock];
}

/* Who left by exit() was in no wait, and gave its locks back. */
static bool has_been_ended(const struct model *m, uint32_t process)
{
	enum process_state state = m->processes.items[process].state;

	return state == PROCESS_KILLED || state == PROCESS_DUMPED;
}

static bool is_of_now(const struct model *m, const struct model_lock *l)
{
	return l->process == MODEL_NONE || m->processes.items[l->process].state == PROCESS_LIVE;
}

/* Why the lock is not known for sure, one clause; NULL: it is a fact. */
static const char *doubt(const struct model *m, const struct model_lock *l)
{
	if (l->process == MODEL_NONE)
		return l->unowned ? l->unowned : "whose it is could not be found";
	if (l->evidence == EVIDENCE_INFERRED)
		return "whose it is was deduced, not observed";
	if (l->evidence == EVIDENCE_OBSERVED)
		return m->is_live ? NULL : "it was seen in a system that is not this one";
	/* The record of a living process is of this moment; only of files the kernel knows better.
	 */
	if (is_of_now(m, l))
		return m->is_live && lock_is_of_threads(l->kind)
			       ? NULL
			       : "it is known from a record alone";
	if (!has_been_ended(m, l->process))
		return "its process went on, or left by itself";
	/* /proc/locks is not of one moment: what only one look saw may never have stood. */
	return l->is_glimpse || l->is_deduced ? "it was seen at one look only, or deduced" : NULL;
}

const char *wait_lock_text(struct model *m, const struct model_lock *l)
{
	const struct model_resource *r = &m->resources.items[l->resource];
	const char *mode = l->mode == MODE_WRITE ? "WRITE" : "READ";

	if (lock_is_of_threads(l->kind))
		return l->kind == LOCK_RWLOCK ? model_stringf(m, "%s (%s)", r->path, mode)
					      : r->path;
	if (r->path && r->path[0])
		return model_stringf(m, "%s lock on %s", mode, r->path);
	return model_stringf(m, "%s lock on file %llx:%llu", mode, (unsigned long long)r->dev,
			     (unsigned long long)r->ino);
}

/* The hold that the request is queued behind, also behind other waiters; or MODEL_NONE. */
static uint32_t root_blocker(const struct model *m, uint32_t lock)
{
	uint32_t steps = 0;

	while (lock != MODEL_NONE && m->locks.items[lock].state != LOCK_HELD &&
	       steps++ < m->locks.count)
		lock = m->locks.items[lock].blocker;
	return lock != MODEL_NONE && m->locks.items[lock].state == LOCK_HELD ? lock : MODEL_NONE;
}

/* --- ways: who can release a hold --------------------------------------------------------------
 */

static void add_way(struct model *m, uint32_t need, uint32_t process, uint32_t thread)
{
	uint32_t i = model_add_way(m, need);

	if (i == MODEL_NONE)
		return;
	m->ways.items[i].process = process;
	m->ways.items[i].thread = thread;
}

/* Those that were found by looking; there may be others. */
static void add_copies(struct model *m, uint32_t need, uint32_t hold)
{
	for (uint32_t i = m->locks.items[hold].next_copy; i != MODEL_NONE;
	     i = m->locks.items[i].next_copy)
		add_way(m, need, m->locks.items[i].process, MODEL_NONE);
}

/* Who shares the file description; one that is unknown may be the same one. */
static const char *add_sharers(struct maker *k, uint32_t need, uint32_t hold)
{
	static const char unknown[] = "who else has its descriptor is not known";
	const struct model_lock h = *lock_at(k, hold);
	const char *unseen = NULL;

	if (!h.ofd) {
		add_copies(k->m, need, hold);
		return unknown;
	}
	for (uint32_t i = k->first[h.resource]; i < k->first[h.resource + 1]; i++) {
		const struct model_lock *other = lock_at(k, k->locks[i]);

		if (other->kind != h.kind || (other->ofd && other->ofd != h.ofd))
			continue;
		if (other->state == LOCK_WAITING && h.kind == LOCK_FLOCK && other->ofd)
			unseen = "flock() gives up the old mode before it waits for the new one";
		if (other->state != LOCK_HELD)
			continue;
		if (other->process == MODEL_NONE)
			unseen = unknown;
		else if (other->process != h.process)
			add_way(k->m, need, other->process, MODEL_NONE);
	}
	return unseen;
}

/* POSIX locks are the process's, any thread of it can give them up; thread locks their owner's. */
static void add_ways(struct maker *k, uint32_t need, uint32_t hold)
{
	struct model *m = k->m;
	const struct model_lock h = *lock_at(k, hold);
	const char *unseen = NULL;

	if (h.process != MODEL_NONE) {
		add_way(m, need, h.process, lock_is_of_threads(h.kind) ? h.thread : MODEL_NONE);
		if (h.kind == LOCK_OFD || h.kind == LOCK_FLOCK)
			unseen = add_sharers(k, need, hold);
	}
	k->way_first[hold] = m->needs.items[need].first_way;
	k->way_count[hold] = m->needs.items[need].way_count;
	k->way_unseen[hold] = doubt(m, &h);
	if (!k->way_unseen[hold])
		k->way_unseen[hold] = unseen;
}

/* --- needs: the holds that have to go ----------------------------------------------------------
 */

static void add_need(struct maker *k, uint32_t wait, uint32_t hold)
{
	uint32_t i = model_add_need(k->m, wait);

	if (i == MODEL_NONE)
		return;
	if (k->way_first[hold] == UINT32_MAX)
		add_ways(k, i, hold);
	k->m->needs.items[i] = (struct model_need){hold, k->way_first[hold], k->way_count[hold],
						   k->way_unseen[hold]};
}

/* Records tell of many moments: the hold must be of one at which the request was outstanding. */
static bool is_at_one_time(const struct maker *k, const struct model_lock *wait,
			   const struct model_lock *hold)
{
	bool is_now = is_of_now(k->m, wait);

	if (is_now != is_of_now(k->m, hold))
		return false;
	return is_now ||
	       (wait->since_ns < k->ends[hold->process] && hold->since_ns < k->ends[wait->process]);
}

static void add_needs(struct maker *k, uint32_t wait, uint32_t lock)
{
	struct model *m = k->m;
	const struct model_lock l = *lock_at(k, lock);
	uint32_t root = root_blocker(m, lock);

	/* Also a reader that is queued behind a writer: it holds nothing that conflicts. */
	if (root != MODEL_NONE && is_of_now(m, &l) && lock_at(k, root)->evidence != EVIDENCE_STALE)
		add_need(k, wait, root);
	else
		root = MODEL_NONE;
	for (uint32_t i = k->first[l.resource]; i < k->first[l.resource + 1]; i++) {
		const struct model_lock *hold = lock_at(k, k->locks[i]);

		if (hold->state != LOCK_HELD || hold->is_copy || k->locks[i] == root ||
		    !wait_is_conflict(&l, hold) || !is_at_one_time(k, &l, hold))
			continue;
		if (m->needs.count < NEEDS_MAX)
			add_need(k, wait, k->locks[i]);
		else
			m->waits.items[wait].unseen = "there are too many holders to look at them";
	}
}

/* --- waits -------------------------------------------------------------------------------------
 */

static bool is_same_request(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_lock *x = &m->locks.items[a], *y = &m->locks.items[b];

	return x->resource == y->resource && x->kind == y->kind && x->mode == y->mode &&
	       x->start == y->start && x->end == y->end && root_blocker(m, a) == root_blocker(m, b);
}

/* Nothing of the resource is its own, and it is of now: what stands in its way does so for all. */
static bool is_plain(const struct maker *k, const struct model_lock *l)
{
	return l->kind != LOCK_OFD && l->kind != LOCK_FLOCK && is_of_now(k->m, l) &&
	       k->holds_of[l->process] != l->resource + 1;
}

/* Whose request it is; of an only thread that is plain. */
static void name_thread(const struct maker *k, struct model_wait *w, const struct model_lock *l)
{
	w->thread = l->thread;
	if (w->thread == MODEL_NONE && k->threads[l->process] == 1)
		w->thread = k->only[l->process];
	w->unseen = doubt(k->m, l);
	if (!w->unseen && w->thread == MODEL_NONE)
		w->unseen = "which of its threads waits is not known";
	w->request = l->request;
	if (!w->request && w->thread != MODEL_NONE)
		w->request = k->m->threads.items[w->thread].ran_ns;
}

/* futex() with a limit of time, its fourth argument: what pthread_mutex_timedlock() and its kin do.
 */
static bool has_limit(const struct model *m, const struct model_lock *l)
{
	return lock_is_of_threads(l->kind) && l->thread != MODEL_NONE && is_of_now(m, l) &&
	       m->threads.items[l->thread].syscall >= 0 &&
	       m->threads.items[l->thread].syscall_args[3];
}

/* `like`: a wait for the same that may share its needs, MODEL_NONE: there is none. Its index. */
static uint32_t add_wait(struct maker *k, uint32_t lock, uint32_t like)
{
	struct model *m = k->m;
	uint32_t i = model_add_wait(m);

	if (i == MODEL_NONE)
		return MODEL_NONE;
	struct model_wait *w = &m->waits.items[i];
	const struct model_lock *l = lock_at(k, lock);

	w->kind = WAIT_LOCK;
	w->process = l->process;
	w->lock = lock;
	w->since_ns = l->since_ns;
	if (!w->since_ns && l->thread != MODEL_NONE)
		w->since_ns = m->threads.items[l->thread].asleep_since_ns;
	w->object = like == MODEL_NONE ? wait_lock_text(m, l) : m->waits.items[like].object;
	w->until_ns = l->until_ns;
	/* Who polls decides himself how long; a lease is ended by the kernel. */
	if (l->state == LOCK_POLLING || l->kind == LOCK_LEASE || has_limit(m, l))
		w->until_ns = UINT64_MAX;
	name_thread(k, w, l);
	if (like == MODEL_NONE) {
		add_needs(k, i, lock);
	} else {
		w->first_need = m->waits.items[like].first_need;
		w->need_count = m->waits.items[like].need_count;
	}
	return i;
}

static void note_holders(struct maker *k, uint32_t resource)
{
	for (uint32_t i = k->first[resource]; i < k->first[resource + 1]; i++) {
		const struct model_lock *l = lock_at(k, k->locks[i]);

		if (l->state == LOCK_HELD && l->process != MODEL_NONE)
			k->holds_of[l->process] = resource + 1;
	}
}

static void add_waits(struct maker *k)
{
	const struct model *m = k->m;
	uint32_t like = MODEL_NONE, resource = MODEL_NONE;

	for (uint32_t i = 0; i < k->wait_count; i++) {
		uint32_t lock = k->waits[i];

		if (lock_at(k, lock)->resource != resource) {
			resource = lock_at(k, lock)->resource;
			note_holders(k, resource);
		}
		if (i && !is_same_request(m, k->waits[i - 1], lock))
			like = MODEL_NONE;
		bool is = is_plain(k, lock_at(k, lock));
		uint32_t added = add_wait(k, lock, is ? like : MODEL_NONE);

		if (is && like == MODEL_NONE)
			like = added;
	}
}

/* --- tables ------------------------------------------------------------------------------------
 */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a == b ? 0 : a < b ? -1 : 1;
}

static int compare_locks(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct model_lock *x_lock = &m->locks.items[a], *y_lock = &m->locks.items[b];
	int order = compare_numbers(x_lock->resource, y_lock->resource);

	if (!order)
		order = compare_numbers(x_lock->since_ns, y_lock->since_ns);
	return order ? order : compare_numbers(a, b);
}

static int compare_requests(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct model_lock *a = &m->locks.items[i], *b = &m->locks.items[j];
	int order = compare_numbers(a->resource, b->resource);

	order = order ? order : compare_numbers(a->kind, b->kind);
	order = order ? order : compare_numbers(a->mode, b->mode);
	order = order ? order : compare_numbers(a->start, b->start);
	order = order ? order : compare_numbers(a->end, b->end);
	order = order ? order : compare_numbers(root_blocker(m, i), root_blocker(m, j));
	return order ? order : compare_numbers(i, j);
}

static void count_threads(struct maker *k)
{
	const struct model *m = k->m;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process == MODEL_NONE || t->task_state == 'Z' || t->task_state == 'X' ||
		    (!t->task_state && m->processes.items[t->process].state == PROCESS_LIVE))
			continue;
		k->threads[t->process]++;
		k->only[t->process] = i;
	}
}

static void sort_locks(struct maker *k)
{
	struct model *m = k->m;
	uint32_t holds = 0, *hold_list = k->waits; /* not needed yet */

	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].evidence != EVIDENCE_STALE)
			k->locks[k->lock_count++] = i;
	qsort_r(k->locks, k->lock_count, sizeof(*k->locks), compare_locks, m);
	for (uint32_t r = 0, i = 0; r <= m->resources.count; r++) {
		while (i < k->lock_count && lock_at(k, k->locks[i])->resource < r)
			i++;
		k->first[r] = i;
	}
	for (uint32_t i = 0; i < k->lock_count; i++) {
		const struct model_lock *l = lock_at(k, k->locks[i]);

		if (l->state == LOCK_HELD && !doubt(m, l))
			hold_list[holds++] = k->locks[i];
	}
	wait_ends(m, hold_list, holds, k->ends);
}

static void sort_requests(struct maker *k)
{
	struct model *m = k->m;

	for (uint32_t i = 0; i < k->lock_count; i++) {
		const struct model_lock *l = lock_at(k, k->locks[i]);

		if (l->state != LOCK_HELD && l->process != MODEL_NONE)
			k->waits[k->wait_count++] = k->locks[i];
	}
	qsort_r(k->waits, k->wait_count, sizeof(*k->waits), compare_requests, m);
}

static bool make_tables(struct maker *k)
{
	const struct model *m = k->m;
	size_t locks = m->locks.count + (size_t)1, processes = m->processes.count + (size_t)1;

	k->locks = calloc(locks, sizeof(*k->locks));
	k->waits = calloc(locks, sizeof(*k->waits));
	k->first = calloc(m->resources.count + (size_t)2, sizeof(*k->first));
	k->ends = calloc(processes, sizeof(*k->ends));
	k->threads = calloc(processes, sizeof(*k->threads));
	k->only = calloc(processes, sizeof(*k->only));
	k->holds_of = calloc(processes, sizeof(*k->holds_of));
	k->way_first = malloc(locks * sizeof(*k->way_first));
	k->way_count = calloc(locks, sizeof(*k->way_count));
	k->way_unseen = calloc(locks, sizeof(*k->way_unseen));
	for (size_t i = 0; k->way_first && i < locks; i++)
		k->way_first[i] = UINT32_MAX;
	return k->locks && k->waits && k->first && k->ends && k->threads && k->only &&
	       k->holds_of && k->way_first && k->way_count && k->way_unseen;
}

static void free_tables(struct maker *k)
{
	free(k->locks);
	free(k->waits);
	free(k->first);
	free(k->ends);
	free(k->threads);
	free(k->only);
	free(k->holds_of);
	free(k->way_first);
	free(k->way_count);
	free(k->way_unseen);
}

static bool has_them(const struct model *m)
{
	for (uint32_t i = 0; i < m->waits.count; i++)
		if (m->waits.items[i].kind == WAIT_LOCK)
			return true;
	return false;
}

void wait_add_locks(struct model *m)
{
	struct maker k = {.m = m};

	if (!m->locks.count || has_them(m))
		return;
	if (make_tables(&k)) {
		count_threads(&k);
		sort_locks(&k);
		sort_requests(&k);
		add_waits(&k);
	} else {
		m->out_of_memory = true;
	}
	free_tables(&k);
}
