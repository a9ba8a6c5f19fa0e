/* The order of display, and the model's invariants. */
#include "config.h"

#include "collector/model/graph.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/render_fixture.h"
#include "tests/unit/unit.h"

/* "PID:DEPTH PID:DEPTH ..." */
static const char *shown(const struct model *m)
{
	static char text[1024];
	struct graph g;
	size_t used = 0;

	text[0] = 0;
	CU_ASSERT_EQUAL_FATAL(graph_build(m, &g), 0);
	for (uint32_t i = 0; i < g.count; i++) {
		const struct model_lock *l = &m->locks.items[g.nodes[i].lock];
		int pid = l->process == MODEL_NONE ? 0 : m->processes.items[l->process].pid;

		used += snprintf(text + used, sizeof(text) - used, "%s%d:%u", i ? " " : "", pid,
				 g.nodes[i].depth);
	}
	graph_done(&g);
	CU_ASSERT_PTR_NULL(model_check(m));
	return text;
}

/* Process `pid` holds or waits for `file`. */
static uint32_t hold(struct model *m, pid_t pid, uint32_t file)
{
	return fixture_lock(m, LOCK_HELD, fixture_process(m, pid, "/bin/p"), file);
}

static uint32_t await(struct model *m, pid_t pid, uint32_t file, uint32_t blocker)
{
	return fixture_wait(m, fixture_process(m, pid, "/bin/p"), file, blocker);
}

static void contended_come_first(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), b = fixture_file(m, 2, "/b"),
		 c = fixture_file(m, 3, "/c");

	hold(m, 10, a);
	uint32_t hb = hold(m, 20, b), hc = hold(m, 30, c);
	await(m, 21, b, hb);
	await(m, 31, c, hc);
	await(m, 32, c, hc);
	CU_ASSERT_STRING_EQUAL(shown(m), "30:0 31:1 32:1 20:0 21:1 10:0");
	model_free(m);
}

static void waiters_nest(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a");
	uint32_t h = hold(m, 10, a), w = await(m, 11, a, h);

	await(m, 13, a, h);
	uint32_t deeper = await(m, 12, a, w);
	await(m, 14, a, deeper);
	CU_ASSERT_STRING_EQUAL(shown(m), "10:0 11:1 12:2 14:3 13:1");
	model_free(m);
}

static void holders_stand_together(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a");
	uint32_t readers[3];

	for (int i = 0; i < 3; i++) {
		readers[i] = hold(m, 30 - i, a);
		m->locks.items[readers[i]].mode = MODE_READ;
	}
	/* Another range: not in the way of the waiter. */
	m->locks.items[readers[2]].start = 100;
	uint32_t w = await(m, 40, a, readers[0]);
	m->locks.items[w].end = 50;
	CU_ASSERT_STRING_EQUAL(shown(m), "29:0 30:0 40:1 28:0");
	model_free(m);
}

static void kinds_that_do_not_meet(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a");
	uint32_t posix = hold(m, 10, a), flock = hold(m, 11, a);

	m->locks.items[flock].kind = LOCK_FLOCK;
	uint32_t w = await(m, 12, a, posix);
	CU_ASSERT(graph_conflicts(m, posix, w));
	CU_ASSERT(!graph_conflicts(m, flock, w));
	m->locks.items[w].kind = LOCK_OFD;
	CU_ASSERT(graph_conflicts(m, posix, w));
	CU_ASSERT_STRING_EQUAL(shown(m), "10:0 12:1 11:0");
	model_free(m);
}

static void own_locks_do_not_conflict(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), h = hold(m, 10, a);
	uint32_t w = fixture_lock(m, LOCK_WAITING, m->locks.items[h].process, a);

	CU_ASSERT(!graph_conflicts(m, h, w));
	m->locks.items[h].kind = m->locks.items[w].kind = LOCK_FLOCK;
	CU_ASSERT(graph_conflicts(m, h, w)); /* through another open file description */
	m->locks.items[h].ofd = m->locks.items[w].ofd = 7;
	CU_ASSERT(!graph_conflicts(m, h, w)); /* a conversion */
	model_free(m);
}

static void unknown_blockers_stand_alone(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), b = fixture_file(m, 2, "/b");
	uint32_t stale = hold(m, 10, a);

	m->locks.items[stale].evidence = EVIDENCE_STALE;
	await(m, 11, a, stale);
	await(m, 12, b, MODEL_NONE);
	CU_ASSERT_STRING_EQUAL(shown(m), "11:0 12:0");
	model_free(m);
}

static void pollers_come_after_the_queue(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), h = hold(m, 10, a);
	uint32_t p = fixture_lock(m, LOCK_POLLING, fixture_process(m, 11, "/bin/p"), a);

	m->locks.items[p].tries = 3;
	m->locks.items[p].blocker = h;
	await(m, 12, a, h);
	CU_ASSERT_STRING_EQUAL(shown(m), "10:0 12:1 11:1");
	model_free(m);
}

static void long_chains(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), last = hold(m, 1, a);
	struct graph g;

	for (int pid = 2; pid <= 3000; pid++)
		last = await(m, pid, a, last);
	CU_ASSERT_EQUAL_FATAL(graph_build(m, &g), 0);
	CU_ASSERT_EQUAL(g.count, 3000);
	CU_ASSERT_EQUAL(g.nodes[2999].depth, 2999);
	graph_done(&g);
	model_free(m);
}

static void the_dead_hold_nothing_among_the_living(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), h = hold(m, 10, a);

	await(m, 11, a, h);
	for (uint32_t i = 0; i < m->locks.count; i++)
		m->locks.items[i].evidence = EVIDENCE_RECORDED;
	m->processes.items[0].state = m->processes.items[1].state = PROCESS_KILLED;
	CU_ASSERT_STRING_EQUAL(shown(m), "10:0 11:1"); /* post-mortem */
	m->is_live = true;
	CU_ASSERT_STRING_EQUAL(shown(m), "");
	model_free(m);
}

static void nothing_is_shown_of_nothing(void)
{
	struct model *m = model_new();

	CU_ASSERT_STRING_EQUAL(shown(m), "");
	model_free(m);
}

static void invariants_are_checked(void)
{
	struct model *m = model_new();
	uint32_t a = fixture_file(m, 1, "/a"), b = fixture_file(m, 2, "/b");
	uint32_t h = hold(m, 10, a), w = await(m, 11, a, h), v = await(m, 12, a, w);

	CU_ASSERT_PTR_NULL(model_check(m));
	m->locks.items[w].blocker = v;
	CU_ASSERT_STRING_EQUAL(model_check(m), "a chain of blockers does not end");
	struct graph g;
	CU_ASSERT_EQUAL(graph_build(m, &g), 0); /* must end all the same */
	graph_done(&g);
	m->locks.items[w].blocker = h;
	m->locks.items[h].resource = b;
	CU_ASSERT_STRING_EQUAL(model_check(m), "a blocker stands on another resource");
	m->locks.items[h].resource = 99;
	CU_ASSERT_STRING_EQUAL(model_check(m), "a lock has no resource");
	m->locks.items[h].resource = a;
	m->locks.items[v].start = 10;
	m->locks.items[v].end = 9;
	CU_ASSERT_STRING_EQUAL(model_check(m), "a lock ends before it starts");
	model_free(m);
}

static void equal_notes_are_merged(void)
{
	struct model *m = model_new();

	for (int i = 0; i < 3; i++)
		model_note(m, "lost %d", 1);
	model_note(m, "lost %d", 2);
	CU_ASSERT_EQUAL(m->notes.count, 2);
	CU_ASSERT_EQUAL(m->notes.items[0].count, 3);
	model_free(m);
}

static const struct unit_test tests[] = {
	{"contended holds come first", contended_come_first},
	{"waiters behind waiters nest", waiters_nest},
	{"holders that block one waiter stand together", holders_stand_together},
	{"kinds that do not see each other do not conflict", kinds_that_do_not_meet},
	{"an owner does not stand in his own way", own_locks_do_not_conflict},
	{"waiters without a known blocker stand alone", unknown_blockers_stand_alone},
	{"pollers come after the queue", pollers_come_after_the_queue},
	{"long chains", long_chains},
	{"the dead hold nothing among the living", the_dead_hold_nothing_among_the_living},
	{"nothing of an empty model", nothing_is_shown_of_nothing},
	{"the model's invariants are checked", invariants_are_checked},
	{"equal notes are merged", equal_notes_are_merged},
	{NULL, NULL},
};
const struct unit_suite unit_graph = {tests};
