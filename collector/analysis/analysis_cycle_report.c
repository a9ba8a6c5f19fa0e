/* A cycle of waits, in words; see analysis_cycle.h. */
#include "config.h"

#include "collector/analysis/analysis_cycle.h"
#include "collector/analysis/analysis_detect.h"

#define NAMED_MEMBERS 4 /* of a cycle, in a headline */

static const char evidence_observed[] =
	"observed twice: the kernel lists each of these locks as held and each of "
	"these requests as blocked, and every thread that could release one of them is "
	"itself in such a request";

static const char evidence_recorded[] =
	"recorded: each of them still waited when it ended, though the end of any one gives its "
	"locks to the next; and every recorded thread that could have released one of them was "
	"itself in such a request";

static const char evidence_sampled[] = "recorded by sampling: two looks at least saw each of them "
				       "wait, the last one before it ended, "
				       "though the end of any one gives its locks to the next; and "
				       "every thread seen that could have "
				       "released one of them was itself in such a request";

static bool is_of_the_ended(const struct model *m, const struct wait *w)
{
	return m->locks.items[w->lock].evidence == EVIDENCE_RECORDED;
}

static const char *lock_text(struct model *m, const struct model_lock *l)
{
	const struct model_resource *r = &m->resources.items[l->resource];

	return model_stringf(m, "%s lock on %s", l->mode == MODE_WRITE ? "WRITE" : "READ",
			     r->path && r->path[0] ? r->path
						   : model_stringf(m, "file %llx:%llu",
								   (unsigned long long)r->dev,
								   (unsigned long long)r->ino));
}

static const char *cycle_headline(struct model *m, const struct wait *waits, uint32_t start,
				  uint32_t length)
{
	const struct wait *w = &waits[start];
	const struct model_lock first = m->locks.items[w->lock];
	const char *name = analysis_process_text(m, first.process);

	if (length == 1)
		return model_stringf(m, "%s waits for itself: for a %s, which it holds itself",
				     name, lock_text(m, &first));
	const char *text = name;

	for (uint32_t k = 0; k < length && k < NAMED_MEMBERS; k++, w = &waits[w->next]) {
		const struct model_lock l = m->locks.items[w->lock];
		text = model_stringf(m, "%s%s waits for a %s held by %s", text, k ? ", which" : "",
				     lock_text(m, &l),
				     analysis_process_text(m, m->locks.items[w->hold].process));
	}
	if (length > NAMED_MEMBERS)
		text = model_stringf(m, "%s, and so on through %u more back to %s", text,
				     (unsigned)(length - NAMED_MEMBERS), name);
	return text;
}

void cycle_report(struct model *m, const struct wait *waits, uint32_t start)
{
	struct model_finding *f = analysis_add(m, FINDING_DEADLOCK_CYCLE);
	uint32_t length = 0, i = start;

	if (!f)
		return;
	f->count = 1;
	do {
		const struct model_lock *l = &m->locks.items[waits[i].lock];
		analysis_add_process(f, l->process);
		if (l->since_ns && (!f->first_ns || l->since_ns < f->first_ns))
			f->first_ns = l->since_ns;
		analysis_add_stack(f, l->stack,
				   model_stringf(m, "pid %d asks for a %s",
						 (int)m->processes.items[l->process].pid,
						 lock_text(m, l)));
		length++;
		i = waits[i].next;
	} while (i != start);
	do {
		const struct model_lock *h = &m->locks.items[waits[i].hold];
		analysis_add_stack(f, h->stack,
				   model_stringf(m, "pid %d took its %s",
						 (int)m->processes.items[h->process].pid,
						 lock_text(m, h)));
		i = waits[i].next;
	} while (i != start);
	f->last_ns = m->now_ns;
	f->headline = cycle_headline(m, waits, start, length);
	f->evidence = !is_of_the_ended(m, &waits[start])             ? evidence_observed
		      : m->locks.items[waits[start].lock].is_sampled ? evidence_sampled
								     : evidence_recorded;
}
