/* See memory.h. Who could end such a wait is what the record tells: who did so before, or took it.
 */
#include "config.h"

#include "collector/source/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DESCRIPTOR_BYTES 8192 /* of libc's struct pthread, in which a thread's number lies */

/* Bytes of libc's object, in which its futexes lie. */
static const struct {
	enum wait_kind kind;
	uint64_t bytes;
	const char *noun;
} kinds[SEG_WAIT_KINDS] = {
	[SEG_WAIT_CONDITION] = {WAIT_CONDITION, 48, "condition variable"},
	[SEG_WAIT_SEMAPHORE] = {WAIT_SEMAPHORE, 32, "semaphore"},
	[SEG_WAIT_BARRIER] = {WAIT_BARRIER, 32, "barrier"},
	[SEG_WAIT_JOIN] = {WAIT_JOIN, DESCRIPTOR_BYTES, "thread"},
};

/* What the record tells of an object, of however many records. */
struct history {
	uint64_t count, foreign, last_ns, last_site;
	pid_t last_tid;
};

static void add_history(struct history *h, const struct seg_sync *r)
{
	h->count += r->count;
	h->foreign += r->foreign;
	if (r->last_ns < h->last_ns)
		return;
	h->last_ns = r->last_ns;
	h->last_site = r->last_site;
	h->last_tid = r->last_tid;
}

static struct history read_history(const struct memory_thread *t)
{
	const struct segment *s = t->g->segments[t->process];
	const struct seg_thread_wait *w = &t->list->wait;
	struct history h = {0};
	struct seg_syncs page;

	for (uint32_t i = 1; i <= segment_count(s, SEG_LISTS); i++) {
		if (segment_read(s, SEG_LISTS, i, &page, sizeof(page)) || page.tid != SEG_SYNCS_TID)
			continue;
		for (uint32_t n = 0; n < SEG_SYNCS_MAX; n++)
			if (page.syncs[n].kind == w->kind && page.syncs[n].address == w->address)
				add_history(&h, &page.syncs[n]);
	}
	return h;
}

static uint32_t thread_of(const struct memory_thread *t, pid_t tid)
{
	pid_t pid = t->g->m->processes.items[t->process].pid;

	if (!t->is_live)
		return model_find_thread(t->g->m, t->process, tid);
	if (tid <= 0 || !proc_has(t->g->proc, "%d/task/%d", pid, tid))
		return MODEL_NONE;
	return gather_thread(t->g, t->process, tid);
}

static bool has_way(const struct model *m, uint32_t need, uint32_t thread)
{
	const struct model_need *n = &m->needs.items[need];

	for (uint32_t i = 0; i < n->way_count; i++)
		if (m->ways.items[n->first_way + i].thread == thread)
			return true;
	return false;
}

static void add_way(const struct memory_thread *t, uint32_t need, pid_t tid, const char *how)
{
	struct model *m = t->g->m;
	uint32_t thread = thread_of(t, tid);

	if (need == MODEL_NONE || thread == MODEL_NONE || has_way(m, need, thread))
		return;
	uint32_t i = model_add_way(m, need);

	if (i != MODEL_NONE)
		m->ways.items[i] =
			(struct model_way){.process = t->process, .thread = thread, .how = how};
}

static const char *after_text(struct model *m, uint64_t since_ns, uint64_t last_ns)
{
	uint64_t apart = since_ns > last_ns ? since_ns - last_ns : last_ns - since_ns;

	return model_stringf(m, "%" PRIu64 ".%03" PRIu64 "s %s this wait began", apart / 1000000000,
			     apart / 1000000 % 1000, since_ns > last_ns ? "before" : "after");
}

static const char *times_text(struct model *m, uint64_t count)
{
	return count == 1 ? "once" : model_stringf(m, "%" PRIu64 " times", count);
}

/* --- kinds ---------------------------------------------------------------------------------------
 */

static const char *condition(const struct memory_thread *t, uint32_t need)
{
	struct model *m = t->g->m;
	struct history h = read_history(t);

	if (!h.count)
		return "nobody has signalled it, any thread may";
	add_way(t, need, h.last_tid, "signalled it last");
	return model_stringf(
		m,
		"any thread may signal it; it was signalled %s, the last time by thread "
		"%d, %s",
		times_text(m, h.count), h.last_tid,
		after_text(m, t->list->wait.since_ns, h.last_ns));
}

static void add_takers(const struct memory_thread *t, uint32_t need)
{
	struct seg_holds other;

	for (uint32_t i = 1; i <= segment_count(t->g->segments[t->process], SEG_LISTS); i++) {
		if (!memory_read_list(t->g, t->process, i, &other))
			continue;
		for (uint32_t n = 0; n < other.top; n++)
			if (other.holds[n].address == t->list->wait.address &&
			    other.holds[n].kind == SEG_HOLD_SEMAPHORE &&
			    other.holds[n].state == SEG_HOLD_HELD)
				add_way(t, need, other.tid, "took it and has not posted it");
	}
}

/*
 * Posted only ever by a thread that had taken it, it is used as a lock: then those who have it now
 * are the ones to post it.
 */
static const char *semaphore(const struct memory_thread *t, uint32_t need)
{
	struct model *m = t->g->m;
	struct history h = read_history(t);

	add_takers(t, need);
	if (!h.count)
		return "nobody has posted it, any thread may";
	if (!h.foreign && m->needs.items[need].way_count)
		return NULL;
	add_way(t, need, h.last_tid, "posted it last");
	return model_stringf(
		m, "any thread may post it; it was posted %s, the last time by thread %d, %s",
		times_text(m, h.count), h.last_tid,
		after_text(m, t->list->wait.since_ns, h.last_ns));
}

/* The thread whose pthread_t it is: of the living, the word that the kernel clears at its end. */
static const char *joined(const struct memory_thread *t, uint32_t need)
{
	const struct model_thread *thread = &t->g->m->threads.items[t->thread];
	pid_t pid = t->g->m->processes.items[t->process].pid;
	int32_t tid = 0;
	struct seg_holds other;

	if (t->is_live && proc_read_memory(t->g->proc, pid, thread->syscall_args[0], &tid,
					   sizeof(tid)) != sizeof(tid))
		tid = 0;
	for (uint32_t i = 1; !tid && i <= segment_count(t->g->segments[t->process], SEG_LISTS); i++)
		if (memory_read_list(t->g, t->process, i, &other) &&
		    other.self == t->list->wait.address)
			tid = other.tid;
	add_way(t, need, tid, "is waited for");
	return t->g->m->needs.items[need].way_count ? NULL : "which thread that is, is not known";
}

/* --- all -----------------------------------------------------------------------------------------
 */

static const char *object(const struct memory_thread *t, uint32_t need)
{
	const struct seg_thread_wait *w = &t->list->wait;
	const struct model_need *n = &t->g->m->needs.items[need];

	if (w->kind == SEG_WAIT_JOIN && n->way_count)
		return model_stringf(
			t->g->m, "the end of thread %d",
			t->g->m->threads.items[t->g->m->ways.items[n->first_way].thread].tid);
	if (w->kind == SEG_WAIT_JOIN)
		return "the end of a thread";
	return model_stringf(t->g->m, "%s 0x%" PRIx64, kinds[w->kind].noun, w->address);
}

static const char *find_ways(const struct memory_thread *t, uint32_t need)
{
	switch (t->list->wait.kind) {
	case SEG_WAIT_CONDITION:
		return condition(t, need);
	case SEG_WAIT_SEMAPHORE:
		return semaphore(t, need);
	case SEG_WAIT_JOIN:
		return joined(t, need);
	default:
		return "which threads have still to come to it is not known";
	}
}

bool memory_wait_is_other(const struct memory_thread *t)
{
	const struct seg_thread_wait *r = &t->list->wait;

	if (r->kind >= SEG_WAIT_KINDS || !kinds[r->kind].noun || t->thread == MODEL_NONE)
		return false;
	return !t->is_live || memory_sleeps_in(t->g, t->thread, r->address, kinds[r->kind].bytes);
}

static void add_wait(const struct memory_thread *t)
{
	const struct seg_thread_wait *r = &t->list->wait;
	struct model *m = t->g->m;
	uint32_t i = model_add_wait(m), need = i == MODEL_NONE ? i : model_add_need(m, i);

	if (need == MODEL_NONE)
		return;
	const char *unseen = find_ways(t, need);
	struct model_wait *w = &m->waits.items[i];

	w->kind = kinds[r->kind].kind;
	w->process = t->process;
	w->thread = t->thread;
	w->unseen = unseen;
	w->object = object(t, need);
	w->address = r->kind == SEG_WAIT_JOIN ? 0 : r->address;
	w->since_ns = r->since_ns;
	w->until_ns = r->flags & SEG_WAIT_UNTIL ? UINT64_MAX : 0;
	w->request = r->request;
}

static void add_process(struct gather *g, uint32_t process)
{
	bool is_live = g->m->processes.items[process].state == PROCESS_LIVE, has_looked = !is_live;
	struct seg_holds list;

	for (uint32_t i = 1; i <= segment_count(g->segments[process], SEG_LISTS); i++) {
		if (!memory_read_list(g, process, i, &list) || list.wait.kind <= SEG_WAIT_LOCK)
			continue;
		if (!has_looked)
			tasks_read_process(g, process);
		has_looked = true;
		struct memory_thread t = {g, process, model_find_thread(g->m, process, list.tid),
					  is_live, &list};

		if (memory_wait_is_other(&t))
			add_wait(&t);
	}
}

void memory_waits_collect(struct gather *g)
{
	uint32_t count = g->m->processes.count;

	for (uint32_t i = 0; i < count; i++)
		if (memory_is_of_interest(g, i))
			add_process(g, i);
}
