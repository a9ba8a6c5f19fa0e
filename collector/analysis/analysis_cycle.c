/*
 * deadlock-cycle: threads that wait for each other's file locks.
 *
 * A waiter needs ALL conflicting holds to go, so one hold that can never be released keeps it for
 * ever. A hold can be released by every thread of its process (POSIX), and by every thread of
 * every process that shares the open file description (OFD, flock). So:
 *
 *   a wait is stuck    when one of the holds it conflicts with cannot be released;
 *   a hold is stuck    when all threads that could release it are in stuck waits.
 *
 * We take all waits for stuck and strike those that are not until nothing changes. What is left
 * contains a cycle, and only what is left is called a deadlock: a thread that does anything else,
 * or that we do not see, may release. Who polls goes on by himself and is never stuck.
 *
 * Of the living only what the kernel says counts (EVIDENCE_OBSERVED). Of those who ended without
 * leaving by themselves, their records: a wait is granted when its last blocker ends, so waits for
 * each other that all were outstanding at each one's death stood before the first of them died.
 */
#include "config.h"

#include "collector/analysis/analysis_cycle.h"
#include "collector/analysis/analysis_detect.h"

#include <stdlib.h>

struct work {
	const struct model *m;
	uint32_t *holds; /* holds that are facts, by resource, then by time */
	uint32_t hold_count;
	struct wait *waits; /* of processes that hold something, by process */
	uint32_t wait_count;
	uint32_t *first_wait;  /* by process: its first in waits; one more at the end */
	uint32_t *stuck_count; /* by process: stuck waits */
	uint32_t *threads;     /* by process: how many it has, UINT32_MAX unknown */
	uint64_t *ends;        /* by process: it lived no longer than this */
};

static const struct model_lock *lock_of(const struct work *w, uint32_t lock)
{
	return &w->m->locks.items[lock];
}

static bool is_of_the_living(const struct model_lock *l)
{
	return l->evidence == EVIDENCE_OBSERVED;
}

/* Who left by exit() was in no wait, and gave its locks back. */
static bool has_been_ended(const struct model *m, uint32_t process)
{
	enum process_state state = m->processes.items[process].state;

	return state == PROCESS_KILLED || state == PROCESS_DUMPED;
}

static bool is_fact(const struct model *m, const struct model_lock *l, enum lock_state state)
{
	if (l->state != state || l->process == MODEL_NONE)
		return false;
	if (is_of_the_living(l))
		return m->is_live;
	/* /proc/locks is not of one moment: what only one look saw may never have stood. */
	return !l->is_glimpse && !l->is_deduced && l->evidence == EVIDENCE_RECORDED &&
	       has_been_ended(m, l->process);
}

/* The hold that the kernel has queued this wait behind, also behind other waiters; or MODEL_NONE.
 */
static uint32_t root_blocker(const struct model *m, uint32_t lock)
{
	uint32_t steps = 0;

	while (lock != MODEL_NONE && m->locks.items[lock].state != LOCK_HELD &&
	       steps++ < m->locks.count)
		lock = m->locks.items[lock].blocker;
	return lock != MODEL_NONE && m->locks.items[lock].state == LOCK_HELD ? lock : MODEL_NONE;
}

static bool is_process_stuck(const struct work *w, uint32_t process)
{
	return w->stuck_count[process] >= w->threads[process];
}

/* Nobody who could release the hold can do so. */
static bool is_hold_stuck(const struct work *w, uint32_t hold)
{
	const struct model_lock *h = lock_of(w, hold);

	if (!is_process_stuck(w, h->process))
		return false;
	if (h->kind == LOCK_POSIX)
		return true;
	if (!h->ofd)
		return false; /* without a record nobody knows who else has the descriptor */
	/* Who shares the file description; one that is unknown may be the same one. */
	for (uint32_t i = 0; i < w->m->locks.count; i++) {
		const struct model_lock *other = lock_of(w, i);
		if (other->kind != h->kind || other->resource != h->resource ||
		    other->evidence == EVIDENCE_STALE || (other->ofd && other->ofd != h->ofd))
			continue;
		/* flock() gives up the old mode before it waits for the new one. */
		if (other->state == LOCK_WAITING && h->kind == LOCK_FLOCK && other->ofd)
			return false;
		if (other->state != LOCK_HELD)
			continue;
		if (other->process == MODEL_NONE || !is_process_stuck(w, other->process))
			return false;
	}
	return true;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a == b ? 0 : a < b ? -1 : 1;
}

static int compare_holds(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct model_lock *x_lock = &m->locks.items[a], *y_lock = &m->locks.items[b];
	int order = compare_numbers(x_lock->resource, y_lock->resource);

	if (!order)
		order = compare_numbers(x_lock->since_ns, y_lock->since_ns);
	return order ? order : compare_numbers(a, b);
}

static int compare_waits(const void *x, const void *y, void *model)
{
	const struct model *m = model;
	const struct wait *a = x, *b = y;
	int order =
		compare_numbers(m->locks.items[a->lock].process, m->locks.items[b->lock].process);

	return order ? order : compare_numbers(a->lock, b->lock);
}

/* The first of the resource's holds in w->holds. */
static uint32_t first_hold(const struct work *w, uint32_t resource)
{
	uint32_t low = 0, high = w->hold_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (lock_of(w, w->holds[middle])->resource < resource)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Records tell of many moments: the hold must be of one at which the wait was outstanding. */
static bool is_at_one_time(const struct work *w, const struct model_lock *wait,
			   const struct model_lock *hold)
{
	if (is_of_the_living(wait) != is_of_the_living(hold))
		return false;
	return wait->since_ns < w->ends[hold->process] && hold->since_ns < w->ends[wait->process];
}

/* A hold that keeps this wait stuck, or MODEL_NONE. */
static uint32_t find_stuck_hold(const struct work *w, uint32_t lock)
{
	const struct model_lock *l = lock_of(w, lock);
	uint32_t root = root_blocker(w->m, lock);

	if (root != MODEL_NONE && is_of_the_living(l) && is_of_the_living(lock_of(w, root)) &&
	    is_fact(w->m, lock_of(w, root), LOCK_HELD) && is_hold_stuck(w, root))
		return root;
	for (uint32_t i = first_hold(w, l->resource); i < w->hold_count; i++) {
		const struct model_lock *hold = lock_of(w, w->holds[i]);
		if (hold->resource != l->resource)
			break;
		if (cycle_is_conflict(l, hold) && is_at_one_time(w, l, hold) &&
		    is_hold_stuck(w, w->holds[i]))
			return w->holds[i];
	}
	return MODEL_NONE;
}

/* Two waits of one thread cannot be; a wait whose thread is unknown counts only where there is
 * but one thread. */
static bool is_countable(const struct work *w, uint32_t lock)
{
	const struct model_lock *l = lock_of(w, lock);

	return w->threads[l->process] == 1 || l->thread != MODEL_NONE;
}

/* Of the living, only a process whose threads were looked at (they have a state) can be known to be
 * stuck; of the dead, every thread that was recorded counts. */
static void count_threads(struct work *w)
{
	const struct model *m = w->m;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];
		if (t->process != MODEL_NONE && (t->task_state || has_been_ended(m, t->process)))
			w->threads[t->process]++;
	}
	for (uint32_t i = 0; i < m->processes.count; i++)
		if (!w->threads[i])
			w->threads[i] = UINT32_MAX;
}

static void gather_waits(struct work *w, const bool *is_holder)
{
	for (uint32_t i = 0; i < w->m->locks.count; i++) {
		const struct model_lock *l = &w->m->locks.items[i];
		if (is_fact(w->m, l, LOCK_WAITING) && is_holder[l->process] && is_countable(w, i))
			w->waits[w->wait_count++] = (struct wait){.lock = i, .is_stuck = true};
	}
	qsort_r(w->waits, w->wait_count, sizeof(*w->waits), compare_waits, (void *)w->m);
	for (uint32_t i = 0; i < w->wait_count; i++)
		w->stuck_count[lock_of(w, w->waits[i].lock)->process]++;
	for (uint32_t p = 0, i = 0; p <= w->m->processes.count; p++) {
		while (i < w->wait_count && lock_of(w, w->waits[i].lock)->process < p)
			i++;
		w->first_wait[p] = i;
	}
}

static bool gather(struct work *w)
{
	const struct model *m = w->m;
	bool *is_holder = calloc(m->processes.count + 1, sizeof(bool));

	w->holds = calloc(m->locks.count + 1, sizeof(*w->holds));
	w->waits = calloc(m->locks.count + 1, sizeof(*w->waits));
	w->first_wait = calloc(m->processes.count + 1, sizeof(*w->first_wait));
	w->stuck_count = calloc(m->processes.count + 1, sizeof(*w->stuck_count));
	w->threads = calloc(m->processes.count + 1, sizeof(*w->threads));
	w->ends = calloc(m->processes.count + 1, sizeof(*w->ends));
	if (!is_holder || !w->holds || !w->waits || !w->first_wait || !w->stuck_count ||
	    !w->threads || !w->ends) {
		free(is_holder);
		return false;
	}
	for (uint32_t i = 0; i < m->locks.count; i++) {
		if (!is_fact(m, &m->locks.items[i], LOCK_HELD))
			continue;
		w->holds[w->hold_count++] = i;
		is_holder[m->locks.items[i].process] = true;
	}
	qsort_r(w->holds, w->hold_count, sizeof(*w->holds), compare_holds, (void *)m);
	count_threads(w);
	gather_waits(w, is_holder);
	free(is_holder);
	if (w->wait_count)
		cycle_ends(m, w->holds, w->hold_count, w->ends);
	return true;
}

/* There is one: else the process would not be stuck. */
static uint32_t first_stuck_wait(const struct work *w, uint32_t process)
{
	uint32_t i = w->first_wait[process];

	while (!w->waits[i].is_stuck)
		i++;
	return i;
}

static void strike_what_can_go_on(struct work *w)
{
	for (bool has_changed = true; has_changed;) {
		has_changed = false;
		for (uint32_t i = 0; i < w->wait_count; i++) {
			struct wait *wait = &w->waits[i];
			if (!wait->is_stuck)
				continue;
			wait->hold = find_stuck_hold(w, wait->lock);
			if (wait->hold != MODEL_NONE)
				continue;
			wait->is_stuck = false;
			w->stuck_count[lock_of(w, wait->lock)->process]--;
			has_changed = true;
		}
	}
	for (uint32_t i = 0; i < w->wait_count; i++)
		if (w->waits[i].is_stuck)
			w->waits[i].next =
				first_stuck_wait(w, lock_of(w, w->waits[i].hold)->process);
}

/* Every stuck wait leads to another one: following them must close a cycle. */
static void report_cycles(struct model *m, struct work *w)
{
	for (uint32_t start = 0; start < w->wait_count; start++) {
		uint32_t i = start;

		while (w->waits[i].is_stuck && !w->waits[i].mark) {
			w->waits[i].mark = start + 1;
			i = w->waits[i].next;
		}
		if (w->waits[i].is_stuck && w->waits[i].mark == start + 1)
			cycle_report(m, w->waits, i);
	}
}

void detect_cycles(struct model *m)
{
	struct work w = {.m = m};

	if (m->locks.count == 0)
		return;
	if (gather(&w)) {
		strike_what_can_go_on(&w);
		report_cycles(m, &w);
	} else {
		m->out_of_memory = true;
	}
	free(w.holds);
	free(w.waits);
	free(w.first_wait);
	free(w.stuck_count);
	free(w.threads);
	free(w.ends);
}
