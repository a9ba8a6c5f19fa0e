/*
 * What is wrong with holds that others wait for, of the living:
 *
 *	blocked-while-holding	the holder itself waits for what may take any time
 *	dead-owner		the owner of a thread lock has ended: nobody can give it back
 *	inherited-lock		who took it has ended; a child keeps it alive
 *	long-hold, long-wait	over a threshold
 *	stale-file		the file that is waited for is not at its path any more
 *
 * Silent is what only looks so: who holds while he waits for work (connections, events, a terminal)
 * serves as a queue for the others, as servers do that accept one after the other; who holds what
 * nobody wants; what lasts less than a second. Dead sessions are: nobody can see what a holder was
 * doing.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/arch/syscall_name.h"
#include "collector/model/wait_graph.h"
#include "collector/model/wait_locks.h"

#define NEEDS_LOOKED_AT 16 /* of one wait: a crowd of holders is not the fault of each */
#define BLOCKED_NS UINT64_C(1000000000)
#define STALE_NS UINT64_C(5000000000)
#define LONG_HOLD_NS UINT64_C(60000000000)
#define LONG_WAIT_NS UINT64_C(30000000000)

/* By lock: who waits for it to be given up. */
struct queue {
	uint32_t waiters;
	uint32_t eldest; /* the wait that has lasted longest, as far as that is known */
};

struct holds {
	struct model *m;
	struct wait_graph g;
	struct queue *queues;
};

static uint64_t lasts(const struct model *m, uint64_t since_ns)
{
	return since_ns && since_ns < m->now_ns ? m->now_ns - since_ns : 0;
}

static uint64_t wait_lasts(const struct model *m, uint32_t wait)
{
	return wait == MODEL_NONE ? 0 : lasts(m, m->waits.items[wait].since_ns);
}

/* A request of now, in the kernel's queue or of a thread. */
static bool is_looked_at(const struct model *m, const struct model_wait *w)
{
	return w->kind == WAIT_LOCK && m->processes.items[w->process].state == PROCESS_LIVE &&
	       m->locks.items[w->lock].evidence != EVIDENCE_STALE && !w->deadlock;
}

static void count_waiters(struct holds *h)
{
	const struct model *m = h->m;

	for (uint32_t i = 0; i < m->waits.count; i++) {
		const struct model_wait *w = &m->waits.items[i];

		for (uint32_t n = 0; is_looked_at(m, w) && n < w->need_count && n < NEEDS_LOOKED_AT;
		     n++) {
			uint32_t hold = m->needs.items[w->first_need + n].hold;

			if (hold == MODEL_NONE)
				continue;
			struct queue *q = &h->queues[hold];

			if (!q->waiters++ || wait_lasts(m, i) > wait_lasts(m, q->eldest))
				q->eldest = i;
		}
	}
}

/* The thread that has it, if that can be told: of several any may give up what is the process's. */
static uint32_t holding_thread(const struct holds *h, const struct model_lock *l)
{
	if (l->thread != MODEL_NONE && h->m->threads.items[l->thread].task_state)
		return l->thread;
	return h->g.threads[l->process] == 1 ? h->g.main[l->process] : MODEL_NONE;
}

/* The wait of who holds it; MODEL_NONE: it is at work, or cannot be told. */
static uint32_t holder_wait(const struct holds *h, const struct model_lock *l)
{
	uint32_t thread = l->process == MODEL_NONE ? MODEL_NONE : holding_thread(h, l);

	return thread == MODEL_NONE ? MODEL_NONE : h->g.any_wait[thread];
}

/* --- blocked-while-holding -------------------------------------------------------------------- */

/* What may take any time, and nobody here can end. */
static bool is_blocking(const struct model *m, const struct model_wait *w)
{
	switch (w->kind) {
	case WAIT_STOPPED:
	case WAIT_TRACED:
		return true;
	case WAIT_REMOTE:
	case WAIT_SOCKET:
	case WAIT_SLEEP:
	case WAIT_DISK:
		return lasts(m, w->since_ns) >= BLOCKED_NS;
	default:
		return false;
	}
}

/* A child at work is nothing wrong: flock(1) holds so. */
static uint32_t blocking_wait(const struct holds *h, uint32_t wait)
{
	const struct model *m = h->m;
	const struct model_wait *w = wait == MODEL_NONE ? NULL : &m->waits.items[wait];

	if (w && w->kind == WAIT_CHILD && w->need_count &&
	    m->needs.items[w->first_need].way_count == 1) {
		uint32_t child = m->ways.items[m->needs.items[w->first_need].first_way].process;
		uint32_t thread = h->g.threads[child] == 1 ? h->g.main[child] : MODEL_NONE;

		wait = thread == MODEL_NONE ? MODEL_NONE : h->g.any_wait[thread];
		w = wait == MODEL_NONE ? NULL : &m->waits.items[wait];
	}
	return w && is_blocking(m, w) ? wait : MODEL_NONE;
}

static const char *blocked_text(struct model *m, const struct model_wait *w)
{
	switch (w->kind) {
	case WAIT_STOPPED:
		return "is stopped by a signal";
	case WAIT_TRACED:
		return "is stopped by its debugger";
	case WAIT_SLEEP:
		return "sleeps";
	case WAIT_DISK:
		return model_stringf(m, "is in uninterruptible sleep, waiting for %s", w->object);
	default:
		return model_stringf(m, "waits for %s", w->object);
	}
}

static const char *count_text(struct model *m, uint32_t count)
{
	return count == 1 ? "another one waits" : model_stringf(m, "%u others wait", count);
}

static struct model_finding *add_finding(struct holds *h, enum finding_kind kind, uint32_t hold)
{
	struct model *m = h->m;
	const struct model_lock *l = &m->locks.items[hold];
	struct model_finding *f = analysis_add(m, kind);
	uint32_t eldest = h->queues[hold].eldest;

	if (!f)
		return NULL;
	f->count = 1;
	f->last_ns = m->now_ns;
	f->first_ns = l->since_ns;
	analysis_add_process(f, l->process);
	analysis_add_process(f, m->waits.items[eldest].process);
	analysis_add_stack(f, l->stack, "where it was taken");
	analysis_add_stack(f, m->locks.items[m->waits.items[eldest].lock].stack,
			   "where it is asked for");
	return f;
}

static void report_blocked(struct holds *h, uint32_t hold, uint32_t blocking)
{
	struct model *m = h->m;
	struct model_finding *f = add_finding(h, FINDING_BLOCKED_WHILE_HOLDING, hold);

	if (!f)
		return;
	const struct model_lock *l = &m->locks.items[hold];
	const struct model_wait w = m->waits.items[blocking];
	const char *child = w.process == l->process
				    ? ""
				    : model_stringf(m, "waits for its child %s, which ",
						    analysis_process_text(m, w.process));

	f->headline =
		model_stringf(m, "%s holds a %s, for which %s, while it %s%s",
			      analysis_process_text(m, l->process), wait_lock_text(m, l),
			      count_text(m, h->queues[hold].waiters), child, blocked_text(m, &w));
	f->evidence =
		w.kind == WAIT_STOPPED || w.kind == WAIT_TRACED
			? "observed: the kernel lists the lock, the request and the stop"
			: "observed: it has not run for a second at least, and neither has who "
			  "waits for it";
}

/* A stop is seen at once; all else must have kept somebody waiting for a while. */
static void check_blocked(struct holds *h, uint32_t hold)
{
	const struct model *m = h->m;
	uint32_t blocking = blocking_wait(h, holder_wait(h, &m->locks.items[hold]));

	if (blocking == MODEL_NONE)
		return;
	enum wait_kind kind = m->waits.items[blocking].kind;

	if (kind == WAIT_STOPPED || kind == WAIT_TRACED ||
	    wait_lasts(m, h->queues[hold].eldest) >= BLOCKED_NS)
		report_blocked(h, hold, blocking);
}

/* --- dead-owner, inherited-lock ----------------------------------------------------------------
 */

static void check_owner(struct holds *h, uint32_t hold)
{
	struct model *m = h->m;
	const struct model_lock *l = &m->locks.items[hold];
	struct model_finding *f;

	if (!lock_is_of_threads(l->kind) || l->process != MODEL_NONE || !l->unowned ||
	    l->evidence != EVIDENCE_OBSERVED)
		return;
	f = add_finding(h, FINDING_DEAD_OWNER, hold);
	if (!f)
		return;
	l = &m->locks.items[hold];
	f->identity = m->resources.items[l->resource].address ^
		      m->waits.items[h->queues[hold].eldest].request;
	f->headline = model_stringf(
		m, "%s waits for %s: %s",
		analysis_process_text(m, m->waits.items[h->queues[hold].eldest].process),
		wait_lock_text(m, l), l->unowned);
	f->evidence =
		"observed twice: libc's object names an owner that is no thread any more, and "
		"the thread that asks for it sleeps";
}

static void check_inherited(struct holds *h, uint32_t hold)
{
	struct model *m = h->m;
	const struct model_lock *l = &m->locks.items[hold];
	struct model_finding *f;

	if (!l->taker || !l->has_taker_ended || l->process == MODEL_NONE)
		return;
	f = add_finding(h, FINDING_INHERITED_LOCK, hold);
	if (!f)
		return;
	l = &m->locks.items[hold];
	f->headline = model_stringf(
		m, "%s keeps a %s, for which %s; process %d, which took it, has ended",
		analysis_process_text(m, l->process), wait_lock_text(m, l),
		count_text(m, h->queues[hold].waiters), (int)l->taker);
	f->evidence =
		"observed: the kernel charges the lock to a process that is gone, and another "
		"one has its open file description";
}

/* --- long-hold, long-wait, stale-file ----------------------------------------------------------
 */

/* Also where nothing is known but the call. */
static bool is_call_for_work(const struct model_thread *t)
{
	const char *call = t->syscall < 0 ? NULL : syscall_name(t->syscall);

	return call && (!strncmp(call, "accept", 6) || !strncmp(call, "epoll_", 6));
}

/* It holds while it waits for work: the others queue, as they are meant to. */
static bool is_queue_of_idle(const struct holds *h, uint32_t hold)
{
	uint32_t wait = holder_wait(h, &h->m->locks.items[hold]);

	if (wait == MODEL_NONE)
		return false;
	const struct model_wait *w = &h->m->waits.items[wait];

	switch (w->kind) {
	case WAIT_ACCEPT:
	case WAIT_EVENTS:
	case WAIT_TERMINAL:
	case WAIT_SIGNAL:
		return true;
	default:
		return w->thread != MODEL_NONE &&
		       is_call_for_work(&h->m->threads.items[w->thread]);
	}
}

static void check_hold_time(struct holds *h, uint32_t hold)
{
	struct model *m = h->m;
	const struct model_lock *l = &m->locks.items[hold];
	uint64_t limit = m->limits.long_hold_ns ? m->limits.long_hold_ns : LONG_HOLD_NS;
	struct model_finding *f;

	if (lasts(m, l->since_ns) < limit || l->process == MODEL_NONE)
		return;
	f = add_finding(h, FINDING_LONG_HOLD, hold);
	if (!f)
		return;
	l = &m->locks.items[hold];
	f->headline = model_stringf(m, "%s has held a %s for %s, and %s for it",
				    analysis_process_text(m, l->process), wait_lock_text(m, l),
				    analysis_duration_text(m, lasts(m, l->since_ns)),
				    count_text(m, h->queues[hold].waiters));
}

static void check_wait_time(struct holds *h, uint32_t hold)
{
	struct model *m = h->m;
	uint64_t limit = m->limits.long_wait_ns ? m->limits.long_wait_ns : LONG_WAIT_NS;
	uint32_t eldest = h->queues[hold].eldest;
	struct model_finding *f;

	if (wait_lasts(m, eldest) < limit)
		return;
	f = add_finding(h, FINDING_LONG_WAIT, hold);
	if (!f)
		return;
	const struct model_wait *w = &m->waits.items[eldest];
	const struct model_lock *l = &m->locks.items[hold];

	f->first_ns = w->since_ns;
	f->headline = model_stringf(m, "%s has waited for %s for a %s, held by %s",
				    analysis_process_text(m, w->process),
				    analysis_duration_text(m, lasts(m, w->since_ns)),
				    wait_lock_text(m, l), analysis_process_text(m, l->process));
}

/* Programs that look at the file again when they have the lock are right, and soon have it. */
static void check_file(struct holds *h, uint32_t hold)
{
	struct model *m = h->m;
	const struct model_resource *r = &m->resources.items[m->locks.items[hold].resource];
	uint32_t eldest = h->queues[hold].eldest;
	struct model_finding *f;

	if ((!r->is_deleted && !r->is_replaced) || wait_lasts(m, eldest) < STALE_NS)
		return;
	f = add_finding(h, FINDING_STALE_FILE, hold);
	if (!f)
		return;
	r = &m->resources.items[m->locks.items[hold].resource];
	f->first_ns = m->waits.items[eldest].since_ns;
	f->headline = model_stringf(
		m, "%s has waited for %s for a lock on %s, %s",
		analysis_process_text(m, m->waits.items[eldest].process),
		analysis_duration_text(m, wait_lasts(m, eldest)), r->path,
		r->is_replaced ? "but that name leads to another file by now, which is locked, too"
			       : "which has been unlinked or replaced");
	f->evidence = "observed: the kernel tells it of the descriptor";
}

/* --- all ---------------------------------------------------------------------------------------
 */

static void check(struct holds *h, uint32_t hold)
{
	check_owner(h, hold);
	check_inherited(h, hold);
	if (is_queue_of_idle(h, hold))
		return;
	check_blocked(h, hold);
	check_hold_time(h, hold);
	check_wait_time(h, hold);
	check_file(h, hold);
}

void detect_holds(struct model *m)
{
	struct holds h = {.m = m, .queues = calloc(m->locks.count + (size_t)1, sizeof(*h.queues))};

	if (!h.queues || wait_graph_init(&h.g, m, WAIT_LOOKS)) {
		m->out_of_memory = true;
		free(h.queues);
		return;
	}
	count_waiters(&h);
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (h.queues[i].waiters)
			check(&h, i);
	wait_graph_done(&h.g);
	free(h.queues);
}
