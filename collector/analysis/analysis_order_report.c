/* A cycle of lock orders, in words; see analysis_order.h. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/analysis/analysis_order.h"

#define NAMED_STEPS 4 /* of a cycle, in a sentence */

static const char *file_text(struct model *m, uint32_t resource)
{
	const struct model_resource *r = &m->resources.items[resource];

	return r->path && r->path[0]
		       ? r->path
		       : model_stringf(m, "file %llx:%llu", (unsigned long long)r->dev,
				       (unsigned long long)r->ino);
}

/* "", " (bytes 10 to 19)", " (from byte 10 on)" */
static const char *range_text(struct model *m, uint64_t start, uint64_t end)
{
	if (!start && end == MODEL_TO_EOF)
		return "";
	if (end == MODEL_TO_EOF)
		return model_stringf(m, " (from byte %" PRIu64 " on)", start);
	if (start == end)
		return model_stringf(m, " (byte %" PRIu64 ")", start);
	return model_stringf(m, " (bytes %" PRIu64 " to %" PRIu64 ")", start, end);
}

static const char *lock_text(struct model *m, uint32_t resource, enum lock_mode mode,
			     uint64_t start, uint64_t end)
{
	if (m->resources.items[resource].kind == RESOURCE_MEMORY)
		return file_text(m, resource);
	return model_stringf(m, "%s lock on %s%s", mode == MODE_WRITE ? "WRITE" : "READ",
			     file_text(m, resource), range_text(m, start, end));
}

static const char *held_text(struct model *m, const struct order_step *step)
{
	const struct model_holding h = m->holdings.items[step->holding];

	return lock_text(m, h.resource, h.mode, h.start, h.end);
}

static const char *asked_text(struct model *m, const struct order_step *step)
{
	const struct model_edge e = m->edges.items[step->edge];

	return lock_text(m, e.resource, e.mode, e.start, e.end);
}

static bool is_upgrade(const struct orders *o, const struct order_step *step)
{
	const struct model_holding *h = &o->m->holdings.items[step->holding];
	const struct model_edge *e = &o->m->edges.items[step->edge];

	return o->files[h->resource] == o->files[e->resource] && h->mode == MODE_READ &&
	       e->mode == MODE_WRITE && h->kind == e->kind && h->start <= e->end &&
	       e->start <= h->end;
}

/* --- sentences
 * ------------------------------------------------------------------------------------ */

static const char *order_headline(struct orders *o, const uint32_t *path, uint32_t length)
{
	struct model *m = o->m;
	const char *text = "";

	for (uint32_t i = 0; i < length && i < NAMED_STEPS; i++) {
		const struct order_step *s = &o->steps[path[i]];
		const struct model_edge e = m->edges.items[s->edge];

		text = model_stringf(m, "%s%s%s locks %s and then %s", text, i ? ", " : "",
				     analysis_process_text(m, e.process),
				     file_text(m, m->holdings.items[s->holding].resource),
				     file_text(m, e.resource));
	}
	if (length > NAMED_STEPS)
		text = model_stringf(
			m, "%s, and so on through %u more back to %s", text,
			(unsigned)(length - NAMED_STEPS),
			file_text(m, m->holdings.items[o->steps[path[0]].holding].resource));
	return text;
}

static const char *upgrade_headline(struct orders *o, const uint32_t *path, uint32_t length)
{
	struct model *m = o->m;
	const struct order_step *s = &o->steps[path[0]];
	const char *text = analysis_process_text(m, m->edges.items[s->edge].process);

	for (uint32_t i = 1; i < length && i < NAMED_STEPS; i++)
		text = model_stringf(
			m, "%s and %s", text,
			analysis_process_text(m, m->edges.items[o->steps[path[i]].edge].process));
	return model_stringf(m,
			     "%s ask for a WRITE lock on %s while each of them holds a READ lock "
			     "on it",
			     text, file_text(m, m->edges.items[s->edge].resource));
}

/* "pid 12, thread 13, asked for a WRITE lock on /b 5 times while it held a WRITE lock on /a" */
static const char *step_text(struct model *m, const struct order_step *s)
{
	const struct model_edge e = m->edges.items[s->edge];
	const struct model_process *p = &m->processes.items[e.process];
	const char *thread = "";

	if (e.by_other)
		thread = ", in several threads,";
	else if (e.thread != MODEL_NONE && m->threads.items[e.thread].tid != p->pid)
		thread = model_stringf(m, ", thread %d,", (int)m->threads.items[e.thread].tid);
	if (p->session)
		thread = model_stringf(m, " of another session%s", thread);
	return model_stringf(m, "pid %d%s asked for a %s %" PRIu64 " time%s while it held a %s",
			     (int)p->pid, thread, asked_text(m, s), e.count,
			     e.count == 1 ? "" : "s", held_text(m, s));
}

static const char *evidence(struct orders *o, const uint32_t *path, uint32_t length, bool is_cut)
{
	struct model *m = o->m;
	const char *text = "recorded: ";

	for (uint32_t i = 0; i < length && i < NAMED_STEPS; i++)
		text = model_stringf(m, "%s%s%s", text, i ? "; " : "",
				     step_text(m, &o->steps[path[i]]));
	if (length > NAMED_STEPS)
		text = model_stringf(m, "%s; and so on", text);
	return model_stringf(
		m, "%s; %s", text,
		is_cut ? "more was held than could be recorded: it may keep these apart"
		       : "no lock that two of them hold keeps these apart");
}

/* --- the finding
 * ---------------------------------------------------------------------------------- */

/* Both places of a loop that takes lock after lock are one: it is shown for each. */
static void add_place(struct model_finding *f, uint32_t stack, const char *label)
{
	if (stack == MODEL_NONE || f->stack_count == FINDING_STACKS)
		return;
	f->stacks[f->stack_count].stack = stack;
	f->stacks[f->stack_count++].label = label;
}

static void add_step(struct model *m, struct model_finding *f, const struct order_step *s)
{
	const struct model_edge e = m->edges.items[s->edge];

	analysis_add_process(f, e.process);
	/* Times of another session may be before the clock of this one began: they wrap. */
	if (!f->first_ns || (int64_t)(e.first_ns - f->first_ns) < 0)
		f->first_ns = e.first_ns;
	if (!f->last_ns || (int64_t)(e.last_ns - f->last_ns) > 0)
		f->last_ns = e.last_ns;
	add_place(f, m->holdings.items[s->holding].stack,
		  model_stringf(m, "pid %d took its %s", (int)m->processes.items[e.process].pid,
				held_text(m, s)));
	add_place(f, e.stack,
		  model_stringf(m, "pid %d, holding it, asked for a %s",
				(int)m->processes.items[e.process].pid, asked_text(m, s)));
}

void order_report(struct orders *o, const uint32_t *path, uint32_t length, uint64_t times)
{
	struct model *m = o->m;
	bool is_upgrading = true, is_cut = false;

	for (uint32_t i = 0; i < length; i++) {
		is_upgrading &= is_upgrade(o, &o->steps[path[i]]);
		is_cut |= m->edges.items[o->steps[path[i]].edge].is_cut;
	}
	struct model_finding *f =
		analysis_add(m, is_upgrading ? FINDING_UPGRADE_DEADLOCK : FINDING_LOCK_ORDER);

	if (!f)
		return;
	f->count = times;
	if (is_cut)
		f->severity = SEVERITY_NOTE;
	for (uint32_t i = 0; i < length; i++)
		add_step(m, f, &o->steps[path[i]]);
	f->headline =
		is_upgrading ? upgrade_headline(o, path, length) : order_headline(o, path, length);
	f->evidence = evidence(o, path, length, is_cut);
}

void order_report_class(struct orders *o, const uint32_t path[2])
{
	struct model *m = o->m;
	struct model_finding *f = analysis_add(m, FINDING_LOCK_ORDER);
	uint64_t times = 0;

	if (!f)
		return;
	f->severity = SEVERITY_NOTE;
	for (uint32_t i = 0; i < 2; i++) {
		add_step(m, f, &o->steps[path[i]]);
		times += m->edges.items[o->steps[path[i]].edge].count;
	}
	f->count = times;
	f->headline =
		model_stringf(m, "%s: the same files in two places", order_headline(o, path, 2));
	f->evidence =
		model_stringf(m,
			      "recorded: %s; %s; these are other files: both orders for one place "
			      "were not seen",
			      step_text(m, &o->steps[path[0]]), step_text(m, &o->steps[path[1]]));
}
