/* A cycle of waits, in words; see analysis_cycle.h. */
#include "config.h"

#include "collector/analysis/analysis_cycle.h"
#include "collector/analysis/analysis_detect.h"
#include "collector/model/wait_locks.h"

#define NAMED_MEMBERS 4 /* of a cycle, in a headline */

static const char evidence_observed[] =
	"observed twice: the kernel lists each of these locks as held and each of "
	"these requests as blocked, and every thread that could release one of them is "
	"itself in such a request";

static const char evidence_mixed[] =
	"observed twice: each of these threads slept in its wait all the time between two looks, "
	"and "
	"every thread that could end one of these waits is itself in such a wait";

static const char evidence_recorded[] =
	"recorded: each of them still waited when it ended, though the end of any one gives its "
	"locks to the next; and every recorded thread that could have released one of them was "
	"itself in such a request";

static const char evidence_sampled[] = "recorded by sampling: two looks at least saw each of them "
				       "wait, the last one before it ended, "
				       "though the end of any one gives its locks to the next; and "
				       "every thread seen that could have "
				       "released one of them was itself in such a request";

static bool is_of_the_ended(const struct model *m, const struct model_wait *w)
{
	return m->processes.items[w->process].state != PROCESS_LIVE;
}

static bool is_for_file(const struct model *m, const struct model_wait *w)
{
	return w->kind == WAIT_LOCK && !lock_is_of_threads(m->locks.items[w->lock].kind);
}

/* "/bin/x (pid 5)", "/bin/x (pid 5), thread 7": of a process that has others. */
static const char *party_text(struct model *m, uint32_t process, uint32_t thread)
{
	const char *name = analysis_process_text(m, process);

	if (thread == MODEL_NONE || m->threads.items[thread].tid == m->processes.items[process].pid)
		return name;
	return model_stringf(m, "%s, thread %d", name, (int)m->threads.items[thread].tid);
}

/* " held by /bin/x (pid 5)", ", of which /bin/x (pid 5) has the other end and 2 others, too" */
static const char *holder_text(struct model *m, const struct model_need *need)
{
	const struct model_way way = m->ways.items[need->first_way];
	const char *name = party_text(m, way.process, way.thread);
	const char *others = need->hold != MODEL_NONE || need->way_count < 2
				     ? ""
				     : model_stringf(m, " (and %u more, who are stuck, too)",
						     (unsigned)(need->way_count - 1));

	if (need->hold != MODEL_NONE || !way.how)
		return model_stringf(m, " held by %s%s", name, others);
	return model_stringf(m, ": %s %s%s", name, way.how, others);
}

static const char *self_text(struct model *m, const struct model_wait *w)
{
	const char *name = analysis_process_text(m, w->process);

	if (w->kind != WAIT_LOCK)
		return model_stringf(m, "%s waits for itself: for %s", name, w->object);
	return model_stringf(m, "%s waits for itself: for a %s, which it holds itself", name,
			     w->object);
}

static const char *edge_text(struct model *m, const struct model_wait *w,
			     const struct model_need *need)
{
	return model_stringf(m, " waits for %s%s%s", w->kind == WAIT_LOCK ? "a " : "", w->object,
			     holder_text(m, need));
}

static const char *cycle_headline(struct model *m, const struct edge *edges, uint32_t start,
				  uint32_t length)
{
	const struct model_wait *first = &m->waits.items[start];
	const char *name = party_text(m, first->process, first->thread), *text = name;
	uint32_t i = start;

	if (length == 1)
		return self_text(m, &m->waits.items[start]);
	for (uint32_t k = 0; k < length && k < NAMED_MEMBERS; k++, i = edges[i].next)
		text = model_stringf(
			m, "%s%s%s", text, k ? ", which" : "",
			edge_text(m, &m->waits.items[i], &m->needs.items[edges[i].need]));
	if (length > NAMED_MEMBERS)
		text = model_stringf(m, "%s, and so on through %u more back to %s", text,
				     (unsigned)(length - NAMED_MEMBERS), name);
	return text;
}

/* The stack at which the request was made, if that is on record. */
static uint32_t asked_at(const struct model *m, const struct model_wait *w)
{
	return w->kind == WAIT_LOCK ? m->locks.items[w->lock].stack : MODEL_NONE;
}

/* FNV-1a, a number at a time. */
static void add_identity(struct model_finding *f, uint64_t number)
{
	f->identity = (f->identity ^ number) * UINT64_C(0x100000001b3) + 1;
}

static void add_asked(struct model *m, struct model_finding *f, const struct model_wait *w)
{
	analysis_add_process(f, w->process);
	if (w->since_ns && (!f->first_ns || w->since_ns < f->first_ns))
		f->first_ns = w->since_ns;
	add_identity(f, m->processes.items[w->process].pid);
	add_identity(f, m->threads.items[w->thread].tid);
	add_identity(f, w->kind);
	add_identity(f, w->request);
	if (w->kind == WAIT_LOCK) {
		const struct model_lock *l = &m->locks.items[w->lock];

		if (!w->request)
			add_identity(f, l->since_ns);
		add_identity(f, m->resources.items[l->resource].ino);
		add_identity(f, m->resources.items[l->resource].address);
	}
	analysis_add_stack(f, asked_at(m, w),
			   model_stringf(m, "pid %d asks for a %s",
					 (int)m->processes.items[w->process].pid, w->object));
}

static void add_taken(struct model *m, struct model_finding *f, uint32_t hold)
{
	if (hold == MODEL_NONE)
		return;
	const struct model_lock *h = &m->locks.items[hold];

	analysis_add_stack(f, h->stack,
			   model_stringf(m, "pid %d took its %s",
					 (int)m->processes.items[h->process].pid,
					 wait_lock_text(m, h)));
}

void cycle_report(struct model *m, const struct edge *edges, uint32_t start, uint32_t number)
{
	struct model_finding *f = analysis_add(m, FINDING_DEADLOCK_CYCLE);
	uint32_t length = 0, i = start;
	bool is_of_files = true, is_ended = is_of_the_ended(m, &m->waits.items[start]);

	if (!f)
		return;
	f->count = 1;
	f->deadlock = number;
	do {
		add_asked(m, f, &m->waits.items[i]);
		is_of_files = is_of_files && is_for_file(m, &m->waits.items[i]);
		length++;
		i = edges[i].next;
	} while (i != start);
	do {
		add_taken(m, f, m->needs.items[edges[i].need].hold);
		i = edges[i].next;
	} while (i != start);
	f->last_ns = m->now_ns;
	f->headline = cycle_headline(m, edges, start, length);
	f->evidence =
		is_ended && is_of_files && m->locks.items[m->waits.items[start].lock].is_sampled
			? evidence_sampled
		: is_ended    ? evidence_recorded
		: is_of_files ? evidence_observed
			      : evidence_mixed;
}
