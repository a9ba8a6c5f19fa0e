/*
 * posix-lock-dropped, lock-not-inherited, unlock-not-held: POSIX locks that a process believed in
 * and had not.
 *
 * A lock that a close of another descriptor took away is an error when somebody else got it while
 * the process had its descriptor open and had not unlocked it. Else it is a warning, if that
 * lasted: nobody saw what was done meanwhile. For a moment only, before the unlock, it is a note;
 * before the close of the lock's own descriptor or the end of the process nothing: who locks,
 * closes all and ends has meant no more. Where a duplicate of the closed descriptor is left, only
 * an unlock tells that the program did not mean the close to be one.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "collector/analysis/analysis_detect.h"

#define MOMENT_NS UINT64_C(10000000)

static const char *file_text(struct model *m, uint32_t resource)
{
	const struct model_resource *r = &m->resources.items[resource];

	return r->path[0] ? r->path
			  : model_stringf(m, "file %llx:%llu", (unsigned long long)r->dev,
					  (unsigned long long)r->ino);
}

/* --- posix-lock-dropped
 * --------------------------------------------------------------------------- */

/* Counts, times and processes of all. */
static void add_all(const struct model *m, struct model_finding *f, const uint32_t *losses,
		    uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct model_lost *l = &m->losses.items[losses[i]];

		f->count += l->count;
		if (!i || l->first_ns < f->first_ns)
			f->first_ns = l->first_ns;
		if (l->lost_ns > f->last_ns)
			f->last_ns = l->lost_ns;
		if (!i || l->process != m->losses.items[losses[i - 1]].process)
			analysis_add_process(f, l->process);
	}
}

/* A lock that is held now, or was at its holder's end, and is younger than the loss. */
static bool is_held_against(const struct model *m, const struct model_lost *l,
			    const struct model_lock *k)
{
	const struct model_resource *a = &m->resources.items[l->resource];
	const struct model_resource *b = &m->resources.items[k->resource];

	return k->state == LOCK_HELD && k->evidence != EVIDENCE_STALE && k->process != MODEL_NONE &&
	       m->processes.items[k->process].pid != m->processes.items[l->process].pid && a->ino &&
	       a->dev == b->dev && a->ino == b->ino && k->since_ns > l->lost_ns &&
	       (!l->ended_ns || k->since_ns < l->ended_ns) && k->start <= l->end_byte &&
	       l->start <= k->end && (k->kind == LOCK_POSIX || k->kind == LOCK_OFD) &&
	       (k->mode == MODE_WRITE || l->mode == MODE_WRITE);
}

/* Who got it, as a text; NULL nobody that is known. */
static const char *other_text(struct model *m, const struct model_lost *l)
{
	if (l->other != MODEL_NONE)
		return analysis_process_text(m, l->other);
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (is_held_against(m, l, &m->locks.items[i]))
			return analysis_process_text(m, m->locks.items[i].process);
	if (!l->other_pid)
		return NULL;
	for (uint32_t i = 0; i < m->processes.count && l->other_pid > 0; i++)
		if (m->processes.items[i].pid == l->other_pid)
			return analysis_process_text(m, i);
	return l->other_pid > 0 ? model_stringf(m, "process %d", (int)l->other_pid)
				: "another open file description";
}

/* How long it was believed in. */
static uint64_t belief_ns(const struct model *m, const struct model_lost *l)
{
	const struct model_process *p = &m->processes.items[l->process];
	uint64_t end = p->state == PROCESS_LIVE ? m->now_ns
		       : p->ended_ns            ? p->ended_ns
						: p->last_ns;
	uint64_t now = l->ended_ns || end < l->lost_ns ? 0 : end - l->lost_ns;

	return now > l->longest_ns ? now : l->longest_ns;
}

/* False: nothing to tell. */
static bool judge_drop(const struct model *m, const struct model_lost *l, bool has_other,
		       enum severity *severity)
{
	bool is_long = belief_ns(m, l) >= MOMENT_NS;

	if (l->how == LOST_DUP && !l->unlocked)
		return false;
	if (has_other) {
		*severity = SEVERITY_ERROR;
		return true;
	}
	*severity = is_long ? SEVERITY_WARNING : SEVERITY_NOTE;
	return is_long || l->unlocked;
}

static const char *drop_evidence(struct model *m, const struct model_lost *l, const char *other)
{
	static const char *const ends[] = {[LOST_BELIEVED] = "its descriptor stayed open",
					   [LOST_UNLOCKED] = "it was unlocked",
					   [LOST_CLOSED] = "its descriptor was closed",
					   [LOST_RELOCKED] = "it was taken again"};
	const char *text = model_stringf(
		m, l->end == LOST_BELIEVED ? "recorded: %s for %s" : "recorded: %s %s later",
		ends[l->end], analysis_duration_text(m, belief_ns(m, l)));

	if (!other)
		return model_stringf(m, "%s; nobody is known to have had it meanwhile", text);
	return model_stringf(m, "%s; meanwhile %s got a lock against it", text, other);
}

/* The worst of them is told, with the processes and the counts of all. */
static void report_drops(struct model *m, const uint32_t *losses, uint32_t count)
{
	enum severity severity, worst = SEVERITY_NOTE;
	uint32_t loss = MODEL_NONE;
	const char *other = NULL;

	for (uint32_t i = 0; i < count; i++) {
		const char *who = other_text(m, &m->losses.items[losses[i]]);

		if (!judge_drop(m, &m->losses.items[losses[i]], who, &severity) ||
		    (loss != MODEL_NONE && severity <= worst))
			continue;
		loss = losses[i];
		worst = severity;
		other = who;
	}
	struct model_finding *f =
		loss == MODEL_NONE ? NULL : analysis_add(m, FINDING_POSIX_LOCK_DROPPED);

	if (!f)
		return;
	const struct model_lost l = m->losses.items[loss];

	f->severity = worst;
	analysis_add_process(f, l.process);
	analysis_add_process(f, l.other);
	add_all(m, f, losses, count);
	analysis_add_stack(f, l.stack,
			   l.how == LOST_DUP
				   ? "it closed the lock's descriptor here, a duplicate is left"
				   : "it closed another descriptor of the file here");
	analysis_add_stack(f, l.lock_stack, "it had taken the lock here");
	f->headline = model_stringf(
		m, "%s lost its %s lock on %s by a close()%s", analysis_process_text(m, l.process),
		l.mode == MODE_WRITE ? "WRITE" : "READ", file_text(m, l.resource),
		other ? model_stringf(m, ", and %s got it", other) : "");
	f->evidence = drop_evidence(m, &l, other);
}

/* --- unlocks of what is not held
 * ------------------------------------------------------------------ */

static void report_unlocks(struct model *m, const uint32_t *losses, uint32_t count)
{
	const struct model_lost l = m->losses.items[losses[0]];
	bool is_forked = l.how == LOST_FORK;
	struct model_finding *f =
		analysis_add(m, is_forked ? FINDING_LOCK_NOT_INHERITED : FINDING_UNLOCK_NOT_HELD);

	if (!f)
		return;
	add_all(m, f, losses, count);
	analysis_add_stack(f, l.stack, "it unlocked here");
	analysis_add_stack(f, l.lock_stack, "its parent had taken the lock here");
	f->headline = model_stringf(m,
				    is_forked ? "%s unlocked %s, which its parent had locked"
					      : "%s unlocked %s, which it had not locked",
				    analysis_processes_text(m, f), file_text(m, l.resource));
	f->evidence =
		is_forked ? "recorded: the parent held the lock at fork(), and the child took none"
			  : "recorded: it held no lock on these bytes";
}

/* --- all of them
 * ---------------------------------------------------------------------------------- */

static bool is_drop(const struct model_lost *l)
{
	return l->how == LOST_CLOSE || l->how == LOST_DUP;
}

/* Of one program: drops on one file, all unlocks of what the parent had, all others. */
static int compare_losses(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_lost *x = &m->losses.items[a], *y = &m->losses.items[b];
	int how_x = is_drop(x) ? LOST_CLOSE : (int)x->how;
	int how_y = is_drop(y) ? LOST_CLOSE : (int)y->how;
	int order = (how_x > how_y) - (how_x < how_y);

	if (!order)
		order = analysis_compare_programs(m, x->process, y->process);
	if (!order && is_drop(x))
		order = (x->resource > y->resource) - (x->resource < y->resource);
	return order;
}

static void report(struct model *m, const uint32_t *losses, uint32_t count)
{
	if (is_drop(&m->losses.items[losses[0]]))
		report_drops(m, losses, count);
	else
		report_unlocks(m, losses, count);
}

void detect_losses(struct model *m)
{
	uint32_t *losses = calloc(m->losses.count + (size_t)1, sizeof(*losses));

	if (!losses) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->losses.count; i++)
		losses[i] = i;
	analysis_group(m, losses, m->losses.count, compare_losses, report);
	free(losses);
}
