/* Which record belongs to which line of /proc/locks; see merge.h. */
#include "config.h"

#include "collector/source/merge.h"

#include <errno.h>
#include <stdlib.h>

/* From strict to loose: an exact record must not be taken by a line that only resembles it. */
enum pass {
	PASS_EXACT,     /* same process, device, range */
	PASS_INHERITED, /* charged to another process that shares the open file description */
	PASS_OVERLAP,   /* the record's range lags behind the kernel's */
	PASS_GRANTED,   /* the record still says WAITING */
	PASS_DEVICE,    /* stat shows another device than the kernel (btrfs, overlayfs) */
	PASSES
};

struct matcher {
	struct gather *g;
	struct kernel_locks *k;
	struct index by_ino; /* recorded locks of live processes */
	bool *is_taken;      /* by lock */
};

void merge_images(struct gather *g)
{
	struct model *m = g->m;

	for (uint32_t i = 0; i < m->processes.count; i++) {
		struct model_process *p = &m->processes.items[i];

		for (uint32_t e = index_first(&g->processes, p->pid); e != UINT32_MAX;
		     e = index_next(&g->processes, e)) {
			const struct model_process *q =
				&m->processes.items[g->processes.entries[e].value];

			if (q->start_time == p->start_time && q->image > p->image &&
			    p->state != PROCESS_DETACHED)
				p->state = PROCESS_EXECED;
		}
	}
	for (uint32_t i = 0; i < m->locks.count; i++) {
		struct model_lock *l = &m->locks.items[i];

		if (l->process != MODEL_NONE &&
		    process_is_past(m->processes.items[l->process].state))
			l->evidence = EVIDENCE_STALE;
	}
}

static bool is_pid_of(const struct model *m, const struct model_lock *l,
		      const struct kernel_lock *e, enum pass pass)
{
	if (e->kind == LOCK_OFD)
		return pass != PASS_EXACT || !l->is_inherited;
	if (m->processes.items[l->process].pid == e->pid)
		return true;
	/* An ofd is named by the process that first locked through it. */
	return pass != PASS_EXACT && e->kind == LOCK_FLOCK && !e->depth &&
	       l->ofd >> 32 == (uint64_t)e->pid;
}

static bool is_range_of(const struct model_lock *l, const struct kernel_lock *e, enum pass pass)
{
	if (pass == PASS_OVERLAP)
		return l->start <= e->end && e->start <= l->end;
	return l->start == e->start && l->end == e->end;
}

static bool is_resource_of(const struct model *m, const struct model_lock *l,
			   const struct kernel_lock *e, enum pass pass)
{
	const struct model_resource *r = &m->resources.items[l->resource];

	if (r->ino != e->ino)
		return false;
	if (r->kernel_dev)
		return r->kernel_dev == e->dev;
	return r->dev == e->dev || pass == PASS_DEVICE;
}

static bool is_state_of(const struct model_lock *l, const struct kernel_lock *e, enum pass pass)
{
	if (e->depth)
		return l->state == LOCK_WAITING && pass != PASS_GRANTED;
	return l->state == (pass == PASS_GRANTED ? LOCK_WAITING : LOCK_HELD);
}

static bool is_record_of(const struct matcher *x, uint32_t lock, const struct kernel_lock *e,
			 enum pass pass)
{
	const struct model *m = x->g->m;
	const struct model_lock *l = &m->locks.items[lock];

	return !x->is_taken[lock] && l->kind == e->kind && l->mode == e->mode &&
	       is_state_of(l, e, pass) && is_range_of(l, e, pass) && is_pid_of(m, l, e, pass) &&
	       is_resource_of(m, l, e, pass);
}

static void take(struct matcher *x, uint32_t lock, struct kernel_lock *e)
{
	struct model *m = x->g->m;
	struct model_lock *l = &m->locks.items[lock];

	x->is_taken[lock] = true;
	e->lock = lock;
	e->process = l->process;
	m->resources.items[l->resource].kernel_dev = e->dev;
	if (!e->depth && l->state == LOCK_WAITING) {
		l->state = LOCK_HELD;
		l->since_ns = x->k->read_ns;
	}
	/* Of a sampled record whose it is may have been deduced; that it is there still proves no
	 * more. */
	l->evidence = l->is_deduced ? EVIDENCE_INFERRED : EVIDENCE_OBSERVED;
	l->start = e->start;
	l->end = e->end;
}

static void run_pass(struct matcher *x, enum pass pass)
{
	for (uint32_t i = 0; i < x->k->count; i++) {
		struct kernel_lock *e = &x->k->items[i];

		for (uint32_t n = index_first(&x->by_ino, e->ino);
		     e->lock == MODEL_NONE && !e->is_outdated && n != UINT32_MAX;
		     n = index_next(&x->by_ino, n))
			if (is_record_of(x, x->by_ino.entries[n].value, e, pass))
				take(x, x->by_ino.entries[n].value, e);
	}
}

static bool is_checkable(const struct model *m, const struct model_lock *l)
{
	return l->evidence == EVIDENCE_RECORDED && l->process != MODEL_NONE &&
	       m->processes.items[l->process].state == PROCESS_LIVE;
}

int merge_match(struct gather *g, struct kernel_locks *k)
{
	struct model *m = g->m;
	struct matcher x = {.g = g, .k = k, .is_taken = calloc(m->locks.count + (size_t)1, 1)};
	bool is_ok = x.is_taken;

	for (uint32_t i = 0; is_ok && i < m->locks.count; i++)
		if (is_checkable(m, &m->locks.items[i]))
			is_ok = index_add(&x.by_ino,
					  m->resources.items[m->locks.items[i].resource].ino, i);
	for (enum pass pass = 0; is_ok && pass < PASSES; pass++)
		run_pass(&x, pass);
	index_done(&x.by_ino);
	free(x.is_taken);
	return is_ok ? 0 : -ENOMEM;
}
