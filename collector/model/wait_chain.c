/*
 * The chain from a waiting process to what it is really waiting for. See wait_chain.h.
 */
#include "config.h"

#include "collector/model/wait_chain.h"

#include <errno.h>
#include <stdlib.h>

#define THREADS_MAX 4     /* of the process that was asked about */
#define NEEDS_MAX 3       /* that are followed, of one wait */
#define WAYS_MAX 2        /* of one need */
#define CANDIDATES_MAX 48 /* whose end is tried out */
#define DISK_LONG_NS UINT64_C(1000000000)

struct walker {
	struct chain *chain;
	const struct wait_graph *g;
	const struct model *m;
	uint32_t *link_of; /* by thread: 1 + the link that tells of it */
	uint32_t limit;
	struct chain_link *stack; /* links that were not gone into yet */
	uint32_t stack_count;
};

static struct chain_link *push(struct walker *k, uint32_t parent, uint32_t process, uint32_t thread)
{
	struct chain_link *l = &k->stack[k->stack_count++];

	*l = (struct chain_link){.parent = parent,
				 .process = process,
				 .thread = thread,
				 .wait = thread == MODEL_NONE ? MODEL_NONE : k->g->any_wait[thread],
				 .need = MODEL_NONE,
				 .way = MODEL_NONE,
				 .back = MODEL_NONE};
	if (parent != MODEL_NONE)
		l->depth = k->chain->links[parent].depth + 1;
	return l;
}

/* The first one is to be gone into first. */
static void turn_around(struct walker *k, uint32_t first)
{
	for (uint32_t last = k->stack_count; first + 1 < last; first++) {
		struct chain_link l = k->stack[first];

		k->stack[first] = k->stack[--last];
		k->stack[last] = l;
	}
}

static bool has_heap_deadlock(const struct model *m, const struct chain_link *l)
{
	if (l->thread != MODEL_NONE && m->threads.items[l->thread].call == MODEL_NONE)
		return false;
	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		for (uint32_t n = 0; f->kind == FINDING_DEADLOCK_HEAP && n < FINDING_PIDS; n++)
			if (f->processes[n] == l->process)
				return true;
	}
	return false;
}

/* Of a thread that is in no wait that anybody knows. */
static enum chain_end end_of_thread(const struct model *m, const struct chain_link *l)
{
	char state = l->thread == MODEL_NONE ? 0 : m->threads.items[l->thread].task_state;

	if (m->processes.items[l->process].state != PROCESS_LIVE)
		return CHAIN_ENDED;
	switch (state) {
	case 'T':
		return CHAIN_STOPPED;
	case 't':
		return CHAIN_TRACED;
	case 'D':
		return CHAIN_DISK;
	case 'R':
		return CHAIN_RUNS;
	case 'Z':
	case 'X':
		return CHAIN_ENDED;
	case 0:
		return CHAIN_UNSEEN;
	default:
		return CHAIN_BLOCKED;
	}
}

static bool is_ancestor(const struct chain *c, uint32_t link, uint32_t of)
{
	while (of != MODEL_NONE && of != link)
		of = c->links[of].parent;
	return of == link;
}

/* Has it been told of that thread? Then where this link leads is known. */
static bool leads_back(struct walker *k, uint32_t link)
{
	struct chain_link *l = &k->chain->links[link];
	uint32_t before = l->thread == MODEL_NONE ? 0 : k->link_of[l->thread];

	if (!before) {
		if (l->thread != MODEL_NONE)
			k->link_of[l->thread] = link + 1;
		return false;
	}
	l->back = before - 1;
	l->end = is_ancestor(k->chain, before - 1, link) ? CHAIN_CYCLE : CHAIN_TOLD;
	return true;
}

/*
 * A set of descriptors is many ways out: what of them is to blame, nobody can say. Where nobody is
 * known who could end it, the wait itself is the cause; of a lock that nobody has, that is news.
 */
static bool is_followed(const struct model *m, const struct model_wait *w)
{
	if (w->deadlock || w->kind == WAIT_LOCK)
		return w->need_count;
	for (uint32_t i = 0; w->kind != WAIT_EVENTS && i < w->need_count; i++)
		if (m->needs.items[w->first_need + i].way_count)
			return true;
	return false;
}

static void push_way(struct walker *k, uint32_t parent, uint32_t need, uint32_t way,
		     uint32_t thread)
{
	uint32_t process = way == MODEL_NONE ? MODEL_NONE : k->m->ways.items[way].process;
	struct chain_link *l = push(k, parent, process, thread);

	l->need = need;
	l->way = way;
}

static void follow_need(struct walker *k, uint32_t link, uint32_t need)
{
	const struct model *m = k->m;
	const struct model_need *n = &m->needs.items[need];
	uint32_t count = n->way_count < WAYS_MAX ? n->way_count : WAYS_MAX;

	if (!n->way_count)
		push_way(k, link, need, MODEL_NONE, MODEL_NONE);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t way = n->first_way + i;

		push_way(k, link, need, way,
			 wait_graph_way_thread(k->g, &m->ways.items[way], n->hold));
	}
	if (count)
		k->stack[k->stack_count - 1].others = n->way_count - count;
}

/* The one need and way that prove it. */
static void follow_deadlock(struct walker *k, uint32_t link, const struct model_wait *w)
{
	const struct model *m = k->m;
	const struct model_need *n = &m->needs.items[w->stuck_need];

	push_way(k, link, w->stuck_need, n->first_way, m->waits.items[w->stuck_by].thread);
	k->stack[k->stack_count - 1].others = n->way_count - 1;
}

static void follow(struct walker *k, uint32_t link)
{
	const struct model_wait *w = &k->m->waits.items[k->chain->links[link].wait];
	uint32_t followed = 0;

	if (w->deadlock) {
		follow_deadlock(k, link, w);
		return;
	}
	/* Twice, so that needs that look stuck come first. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < w->need_count && followed < NEEDS_MAX; i++) {
			uint32_t need = w->first_need + i;

			if (wait_graph_is_need_stuck(k->g, need) != (pass == 0))
				continue;
			followed++;
			follow_need(k, link, need);
		}
	}
	if (followed < w->need_count)
		k->stack[k->stack_count - 1].others += w->need_count - followed;
}

static void go_into(struct walker *k, uint32_t link)
{
	struct chain_link *l = &k->chain->links[link];
	uint32_t first = k->stack_count;

	if (l->process == MODEL_NONE) {
		l->end = CHAIN_OWNER;
		return;
	}
	if (leads_back(k, link))
		return;
	if (has_heap_deadlock(k->m, l)) {
		l->end = CHAIN_HEAP;
		return;
	}
	if (l->wait == MODEL_NONE) {
		l->end = end_of_thread(k->m, l);
		return;
	}
	if (!is_followed(k->m, &k->m->waits.items[l->wait])) {
		l->end = CHAIN_WAIT;
		return;
	}
	follow(k, link);
	turn_around(k, first);
}

static void walk(struct walker *k)
{
	struct chain *c = k->chain;

	while (k->stack_count && c->count < k->limit) {
		c->links[c->count] = k->stack[--k->stack_count];
		go_into(k, c->count++);
	}
	while (k->stack_count) {
		uint32_t parent = k->stack[--k->stack_count].parent;

		if (parent != MODEL_NONE)
			c->links[parent].end = CHAIN_CUT;
	}
}

/* --- the beginning -----------------------------------------------------------------------------
 */

/* Disks are waited for all the time, and answer. Where the scheduler forgot since when, it was the
 * same wait at two looks; a thread without such a wait (CHAIN_DISK) was seen on its way only. */
bool chain_is_long_disk(const struct model *m, const struct model_wait *w)
{
	return w->kind == WAIT_DISK && (!w->since_ns || (m->now_ns > w->since_ns &&
							 m->now_ns - w->since_ns >= DISK_LONG_NS));
}

/* It waits for others, who should not have to be waited for: not for work, data or an end. */
static bool is_hard(const struct model *m, const struct model_wait *w)
{
	if (w->deadlock)
		return true;
	switch (w->kind) {
	case WAIT_LOCK:
	case WAIT_BARRIER:
		return is_followed(m, w);
	case WAIT_STOPPED:
	case WAIT_TRACED:
		return true;
	case WAIT_DISK:
		return chain_is_long_disk(m, w);
	default:
		return false;
	}
}

static void begin(struct walker *k, uint32_t process)
{
	const struct model *m = k->m;
	struct chain *c = k->chain;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		uint32_t wait = k->g->any_wait[i];

		if (m->threads.items[i].process != process || wait == MODEL_NONE ||
		    !is_hard(m, &m->waits.items[wait]))
			continue;
		if (k->stack_count < THREADS_MAX)
			push(k, MODEL_NONE, process, i);
		else
			c->threads_left_out++;
	}
	if (!k->stack_count)
		push(k, MODEL_NONE, process, k->g->main[process]);
	turn_around(k, 0);
}

/* --- whose end would help ----------------------------------------------------------------------
 */

/* Later ones win where as many would go on: who has waited for a shorter time has less to lose. */
static bool is_better(const struct model *m, const struct chain *c, uint32_t freed,
		      const struct chain_link *l)
{
	if (freed != c->freed || c->victim == MODEL_NONE)
		return freed > c->freed;
	return m->processes.items[l->process].pid > m->processes.items[c->victim].pid &&
	       l->end == CHAIN_GOES_ON;
}

/* Ending init, or what the kernel will not let end, is no advice. */
static bool can_be_ended(const struct model *m, const struct chain_link *l)
{
	return l->process != MODEL_NONE && m->processes.items[l->process].state == PROCESS_LIVE &&
	       m->processes.items[l->process].pid > 1 && l->end != CHAIN_DISK &&
	       (l->wait == MODEL_NONE || m->waits.items[l->wait].kind != WAIT_DISK);
}

static bool was_tried(const struct chain *c, uint32_t link)
{
	for (uint32_t i = 0; i < link; i++)
		if (c->links[i].process == c->links[link].process)
			return true;
	return false;
}

void chain_choose_victim(struct chain *c, struct wait_graph *looks)
{
	uint32_t tried = 0;

	for (uint32_t i = 0; i < c->count && tried < CANDIDATES_MAX; i++) {
		const struct chain_link *l = &c->links[i];

		if (!can_be_ended(looks->m, l) || was_tried(c, i))
			continue;
		uint32_t freed = wait_graph_count_freed(looks, l->process);

		tried++;
		if (freed == UINT32_MAX || !freed || !is_better(looks->m, c, freed, l))
			continue;
		c->victim = l->process;
		c->freed = freed;
	}
}

static bool make_tables(struct walker *k)
{
	size_t threads = k->m->threads.count + (size_t)1;

	k->chain->links = calloc(k->limit + (size_t)1, sizeof(*k->chain->links));
	k->stack =
		calloc(k->limit * (size_t)(NEEDS_MAX * WAYS_MAX) + THREADS_MAX, sizeof(*k->stack));
	k->link_of = calloc(threads, sizeof(*k->link_of));
	return k->chain->links && k->stack && k->link_of;
}

int chain_build(struct chain *c, const struct wait_graph *looks, uint32_t process, uint32_t limit)
{
	struct walker k = {.chain = c, .g = looks, .m = looks->m, .limit = limit};

	*c = (struct chain){.victim = MODEL_NONE};
	bool is_ok = make_tables(&k);

	if (is_ok) {
		begin(&k, process);
		walk(&k);
		c->victim = MODEL_NONE;
	} else {
		chain_done(c);
	}
	free(k.stack);
	free(k.link_of);
	return is_ok ? 0 : -ENOMEM;
}

void chain_done(struct chain *c)
{
	free(c->links);
	*c = (struct chain){0};
}

static bool is_link_stuck(const struct model *m, const struct chain_link *l)
{
	if (l->end == CHAIN_HEAP || l->end == CHAIN_STOPPED || l->end == CHAIN_TRACED)
		return true;
	return l->wait != MODEL_NONE && is_hard(m, &m->waits.items[l->wait]);
}

/* Who waits for data of somebody who waits for a lock is stuck, too. */
bool chain_is_stuck(const struct chain *c, const struct model *m)
{
	for (uint32_t i = 0; i < c->count && c->links[i].depth == i; i++)
		if (is_link_stuck(m, &c->links[i]))
			return true;
	return false;
}
