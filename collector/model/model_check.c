/*
 * The model's invariants, as model.h has them, for tests.
 */
#include "config.h"

#include "collector/model/model.h"

static bool is_index(uint32_t index, uint32_t count)
{
	return index == MODEL_NONE || index < count;
}

static bool are_held(const struct model *m, const uint32_t *held, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (count > HELD_MAX || held[i] >= m->uses.count)
			return false;
	return true;
}

static const char *check_blocker(const struct model *m, const struct model_lock *l)
{
	if (l->blocker == MODEL_NONE)
		return NULL;
	if (l->state == LOCK_HELD)
		return "a hold has a blocker";
	uint32_t at = l->blocker;

	for (uint32_t steps = 0; at != MODEL_NONE; steps++) {
		if (at >= m->locks.count)
			return "a lock's blocker is out of range";
		const struct model_lock *b = &m->locks.items[at];

		if (b->resource != l->resource)
			return "a blocker stands on another resource";
		if (b == l || steps > m->locks.count)
			return "a chain of blockers does not end";
		at = b->blocker;
	}
	return NULL;
}

static const char *check_copies(const struct model *m, const struct model_lock *l)
{
	uint32_t steps = 0;

	for (uint32_t at = l->next_copy; at != MODEL_NONE; at = m->locks.items[at].next_copy) {
		if (at >= m->locks.count || steps++ > m->locks.count)
			return "a chain of copies does not end";
		if (!m->locks.items[at].is_copy || m->locks.items[at].resource != l->resource)
			return "what is no copy stands in a chain of copies";
	}
	return NULL;
}

static const char *check_lock(const struct model *m, const struct model_lock *l)
{
	if (!is_index(l->use, m->uses.count))
		return "a lock's use is out of range";
	if (l->resource >= m->resources.count)
		return "a lock has no resource";
	if (!is_index(l->process, m->processes.count) || !is_index(l->thread, m->threads.count) ||
	    !is_index(l->stack, m->stacks.count))
		return "a lock's index is out of range";
	if (l->thread != MODEL_NONE && m->threads.items[l->thread].process != l->process)
		return "a lock's thread belongs to another process";
	if (l->start > l->end)
		return "a lock ends before it starts";
	if (l->state == LOCK_POLLING && !l->tries)
		return "a polling waiter never tried";
	const char *wrong = check_copies(m, l);

	return wrong ? wrong : check_blocker(m, l);
}

static const char *check_holding(const struct model *m, uint32_t index)
{
	const struct model_holding *h = &m->holdings.items[index];

	if (h->process >= m->processes.count || h->resource >= m->resources.count)
		return "a holding has no process or no resource";
	if (!is_index(h->stack, m->stacks.count) || h->start > h->end)
		return "a holding's stack or range is impossible";
	if (h->under == MODEL_NONE)
		return NULL;
	return h->under < index && m->holdings.items[h->under].process == h->process
		       ? NULL
		       : "a holding is under one that was not there before it";
}

static const char *check_lost(const struct model *m, const struct model_lost *l)
{
	if (l->process >= m->processes.count || l->resource >= m->resources.count)
		return "a lost lock has no process or no resource";
	if (!is_index(l->stack, m->stacks.count) || !is_index(l->lock_stack, m->stacks.count) ||
	    !is_index(l->other, m->processes.count))
		return "a lost lock's index is out of range";
	return NULL;
}

static const char *check_edge(const struct model *m, const struct model_edge *e)
{
	if (e->process >= m->processes.count || e->resource >= m->resources.count ||
	    e->held >= m->holdings.count)
		return "an edge has no process, no resource or no holding";
	if (!is_index(e->thread, m->threads.count) || !is_index(e->stack, m->stacks.count) ||
	    e->start > e->end)
		return "an edge's thread, stack or range is impossible";
	return m->holdings.items[e->held].process == e->process ? NULL
								: "an edge holds what another process does";
}

static const char *check_need(const struct model *m, const struct model_need *need)
{
	if (!is_index(need->hold, m->locks.count))
		return "a need's lock is out of range";
	if (need->first_way > m->ways.count || need->way_count > m->ways.count - need->first_way)
		return "a need's ways lie outside the ways";
	for (uint32_t i = 0; i < need->way_count; i++) {
		const struct model_way *way = &m->ways.items[need->first_way + i];

		if (way->process >= m->processes.count || !is_index(way->thread, m->threads.count))
			return "a way's index is out of range";
		if (way->thread != MODEL_NONE && m->threads.items[way->thread].process != way->process)
			return "a way's thread belongs to another process";
	}
	return NULL;
}

static const char *check_wait(const struct model *m, const struct model_wait *w)
{
	const char *wrong = NULL;

	if (w->process >= m->processes.count || !is_index(w->thread, m->threads.count) ||
	    !is_index(w->lock, m->locks.count))
		return "a wait's index is out of range";
	if (w->thread != MODEL_NONE && m->threads.items[w->thread].process != w->process)
		return "a wait's thread belongs to another process";
	if ((w->kind == WAIT_LOCK) != (w->lock != MODEL_NONE) ||
	    (w->lock != MODEL_NONE && m->locks.items[w->lock].state == LOCK_HELD))
		return "a wait for a lock names no request";
	if (!is_index(w->stuck_need, m->needs.count) || !is_index(w->stuck_by, m->waits.count) ||
	    (w->deadlock && (w->stuck_need == MODEL_NONE || w->stuck_by == MODEL_NONE)))
		return "a deadlocked wait does not say what it is stuck by";
	if (w->first_need > m->needs.count || w->need_count > m->needs.count - w->first_need)
		return "a wait's needs lie outside the needs";
	for (uint32_t i = 0; i < w->need_count && !wrong; i++)
		wrong = check_need(m, &m->needs.items[w->first_need + i]);
	return wrong;
}

static const char *check_stacks(const struct model *m)
{
	for (uint32_t i = 0; i < m->stacks.count; i++) {
		const struct model_stack *s = &m->stacks.items[i];

		if (!is_index(s->process, m->processes.count) ||
		    !is_index(s->thread, m->threads.count))
			return "a stack's index is out of range";
		if (s->frame_count && (s->first_frame > m->frames.count ||
				       s->frame_count > m->frames.count - s->first_frame))
			return "a stack's frames lie outside the frames";
	}
	for (uint32_t i = 0; i < m->frames.count; i++)
		if (m->frames.items[i].kind == FRAME_INLINE && m->frames.items[i].pc)
			return "an inlined frame has an address";
	return NULL;
}

static const char *check_calls(const struct model *m)
{
	for (uint32_t i = 0; i < m->handlers.count; i++) {
		const struct model_handler *h = &m->handlers.items[i];

		if (h->process >= m->processes.count || !is_index(h->stack, m->stacks.count))
			return "a handler's index is out of range";
	}
	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		const struct model_interruption *x = &m->interruptions.items[i];

		if (x->process >= m->processes.count || x->handler >= m->handlers.count ||
		    !is_index(x->thread, m->threads.count) || !is_index(x->stack, m->stacks.count))
			return "an interruption's index is out of range";
	}
	for (uint32_t i = 0; i < m->signals.count; i++)
		if (m->signals.items[i].process >= m->processes.count)
			return "signals of no process";
	for (uint32_t i = 0; i < m->zombies.count; i++)
		if (m->zombies.items[i].parent >= m->processes.count)
			return "a zombie of no process";
	for (uint32_t i = 0; i < m->calls.count; i++) {
		const struct model_call *c = &m->calls.items[i];

		if (c->process >= m->processes.count || !is_index(c->thread, m->threads.count) ||
		    !is_index(c->handler, m->handlers.count) ||
		    !is_index(c->stack, m->stacks.count))
			return "a call's index is out of range";
		if (!are_held(m, c->held, c->held_count))
			return "a call's held lock is out of range";
	}
	return NULL;
}

static const char *check_uses(const struct model *m)
{
	for (uint32_t i = 0; i < m->uses.count; i++) {
		const struct model_use *u = &m->uses.items[i];

		if (u->process >= m->processes.count || !is_index(u->thread, m->threads.count) ||
		    !is_index(u->handler, m->handlers.count) ||
		    !is_index(u->stack, m->stacks.count))
			return "a use's index is out of range";
		if (u->start > u->end)
			return "a use's range is empty";
		if (u->role == USE_INTERRUPTED && u->handler == MODEL_NONE)
			return "a lock was held by code that nobody interrupted";
	}
	return NULL;
}

static const char *check_findings(const struct model *m)
{
	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		for (int n = 0; n < FINDING_PIDS; n++)
			if (!is_index(f->processes[n], m->processes.count))
				return "a finding's process is out of range";
		if (!are_held(m, f->held, f->held_count))
			return "a finding's held lock is out of range";
		for (int n = 0; n < FINDING_STACKS; n++)
			if (!is_index(f->stacks[n].stack, m->stacks.count))
				return "a finding's stack is out of range";
	}
	for (uint32_t i = 0; i < m->events.count; i++)
		if (!is_index(m->events.items[i].process, m->processes.count))
			return "an event's process is out of range";
	return NULL;
}

const char *model_check(const struct model *m)
{
	const char *wrong;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process >= m->processes.count || !is_index(t->call, m->calls.count))
			return "a thread's index is out of range";
	}
	for (uint32_t i = 0; i < m->locks.count; i++)
		if ((wrong = check_lock(m, &m->locks.items[i])))
			return wrong;
	for (uint32_t i = 0; i < m->waits.count; i++)
		if ((wrong = check_wait(m, &m->waits.items[i])))
			return wrong;
	for (uint32_t i = 0; i < m->losses.count; i++)
		if ((wrong = check_lost(m, &m->losses.items[i])))
			return wrong;
	for (uint32_t i = 0; i < m->holdings.count; i++)
		if ((wrong = check_holding(m, i)))
			return wrong;
	for (uint32_t i = 0; i < m->edges.count; i++)
		if ((wrong = check_edge(m, &m->edges.items[i])))
			return wrong;
	if ((wrong = check_stacks(m)) || (wrong = check_calls(m)) || (wrong = check_uses(m)))
		return wrong;
	return check_findings(m);
}
