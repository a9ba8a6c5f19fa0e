/*
 * A segment's records of POSIX locks that were lost, and who got them meanwhile: the others'
 * segments tell it, as far as their rings of events reach back.
 */
#include "config.h"

#include "collector/source/segment_import.h"

static bool is_sane(const struct importer *im, const struct seg_lost *r)
{
	return r->how >= SEG_LOST_CLOSE && r->how <= SEG_LOST_NEVER &&
	       r->end <= SEG_LOST_RELOCKED && r->mode <= SEG_MODE_WRITE &&
	       (r->mode || r->how == SEG_LOST_NEVER) && r->start <= r->end_byte && r->count &&
	       r->unlocked <= r->count &&
	       import_mapped(im, SEG_RESOURCES, r->resource) != MODEL_NONE;
}

void import_lost(struct importer *im, uint32_t index, const void *record)
{
	static const enum lost_how hows[] = {[SEG_LOST_CLOSE] = LOST_CLOSE,
					     [SEG_LOST_DUP] = LOST_DUP,
					     [SEG_LOST_FORK] = LOST_FORK,
					     [SEG_LOST_NEVER] = LOST_NEVER};
	static const enum lost_end ends[] = {[SEG_LOST_BELIEVED] = LOST_BELIEVED,
					     [SEG_LOST_UNLOCKED] = LOST_UNLOCKED,
					     [SEG_LOST_CLOSED] = LOST_CLOSED,
					     [SEG_LOST_RELOCKED] = LOST_RELOCKED};
	const struct seg_lost *r = record;

	(void)index;
	if (!is_sane(im, r)) {
		im->damaged++;
		return;
	}
	uint32_t stack = import_stack(im, r->stack), lock_stack = import_stack(im, r->lock_stack);
	uint32_t i = model_add_lost(im->m);

	if (i == MODEL_NONE)
		return;
	im->m->losses.items[i] = (struct model_lost){
		.process = im->process,
		.how = hows[r->how],
		.end = ends[r->end],
		.mode = r->mode == SEG_MODE_READ ? MODE_READ : MODE_WRITE,
		.resource = import_mapped(im, SEG_RESOURCES, r->resource),
		.start = r->start,
		.end_byte = r->end_byte,
		.stack = stack,
		.lock_stack = lock_stack,
		.taken_ns = r->taken_ns,
		.first_ns = r->first_ns,
		.lost_ns = r->lost_ns,
		.ended_ns = r->ended_ns,
		.longest_ns = r->longest_ns,
		.count = r->count,
		.unlocked = r->unlocked,
		.other_pid = r->other_pid,
		.other_ns = r->other_ns,
		.other = MODEL_NONE,
	};
	import_saw_time(im, r->lost_ns);
	import_saw_time(im, r->ended_ns);
}

/* --- who got it meanwhile
 * ------------------------------------------------------------------------- */

struct judge {
	struct gather *g;
	const struct segment *s;
	uint32_t process;
};

/* The end of a range is not in the event: a lock that begins inside of the lost one goes against
 * it. */
static bool is_against(const struct model_lost *l, const struct seg_event *e, uint64_t dev,
		       uint64_t ino, const struct model_resource *r)
{
	uint64_t kind = e->value >> 32;

	return r->dev == dev && r->ino == ino && e->ns > l->lost_ns &&
	       (!l->ended_ns || e->ns < l->ended_ns) && e->start >= l->start &&
	       e->start <= l->end_byte && (kind == SEG_LOCK_POSIX || kind == SEG_LOCK_OFD) &&
	       (e->mode == SEG_MODE_WRITE || l->mode == MODE_WRITE);
}

static void judge_event(struct judge *j, const struct seg_event *e)
{
	struct model *m = j->g->m;
	struct seg_resource file;

	if (e->kind != SEG_EV_ACQUIRED || e->aux <= 0 ||
	    segment_read(j->s, SEG_RESOURCES, e->aux, &file, sizeof(file)))
		return;
	for (uint32_t i = 0; i < m->losses.count; i++) {
		struct model_lost *l = &m->losses.items[i];

		if (l->how > LOST_DUP || l->other != MODEL_NONE || l->process == j->process ||
		    m->processes.items[l->process].pid == m->processes.items[j->process].pid ||
		    !is_against(l, e, file.key1, file.key2, &m->resources.items[l->resource]))
			continue;
		l->other = j->process;
		if (!l->other_ns || e->ns < l->other_ns)
			l->other_ns = e->ns;
	}
}

void segment_lost_judge(struct gather *g)
{
	struct seg_event e;
	bool is_wanted = false;

	for (uint32_t i = 0; i < g->m->losses.count; i++)
		is_wanted |= g->m->losses.items[i].how <= LOST_DUP;
	for (uint32_t p = 0; is_wanted && p < g->m->processes.count && p < g->segment_room; p++) {
		struct judge j = {g, g->segments[p], p};

		/* One that was recorded from outside has locks that are older than their events. */
		if (!j.s || segment_is_sampled(j.s))
			continue;
		for (uint32_t i = 1; i <= segment_count(j.s, SEG_EVENTS); i++)
			if (!segment_read(j.s, SEG_EVENTS, i, &e, sizeof(e)))
				judge_event(&j, &e);
	}
}
