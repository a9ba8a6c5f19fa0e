/* deadlock-cycle, on models made by hand: of the living and of the dead, and innocent twins. */
#include <string.h>

#include "tests/unit/analysis_fixture.h"

/* Analyses and frees: how many deadlocks there are. */
static uint32_t cycles_of(struct model *m)
{
	analyse(m);
	uint32_t count = count_kind(m, FINDING_DEADLOCK_CYCLE);

	for (uint32_t i = 0; i < m->findings.count; i++) /* but for what lasts long */
		CU_ASSERT(m->findings.items[i].kind == FINDING_DEADLOCK_CYCLE ||
			  m->findings.items[i].severity == SEVERITY_NOTE);
	model_free(m);
	return count;
}

/* --- deadlock-cycle --------------------------------------------------------------------------- */

static void two_processes_in_a_ring(void)
{
	struct model *m = ring(LOCK_POSIX, 2);

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_DEADLOCK_CYCLE);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_ERROR);
	CU_ASSERT_EQUAL(f->process_count, 2);
	CU_ASSERT_STRING_EQUAL(f->headline,
			       "/bin/p10 (pid 10) waits for a WRITE lock on /b held by /bin/p11 "
			       "(pid 11), which waits for a WRITE lock on /a held by /bin/p10 "
			       "(pid 10)");
	model_free(m);
}

static void rings_of_every_kind(void)
{
	CU_ASSERT_EQUAL(cycles_of(ring(LOCK_FLOCK, 2)), 1);
	CU_ASSERT_EQUAL(cycles_of(ring(LOCK_OFD, 3)), 1);
	CU_ASSERT_EQUAL(cycles_of(ring(LOCK_POSIX, 13)), 1);
	CU_ASSERT_EQUAL(cycles_of(ring(LOCK_FLOCK, 1)), 0); /* the same description: no conflict */
}

static void a_process_waits_for_itself(void)
{
	struct model *m = ring(LOCK_FLOCK, 1);

	m->locks.items[1].ofd = 77; /* another open file description of the same file */
	CU_ASSERT_EQUAL(cycles_of(m), 1);
}

static void posix_waits_for_ofd(void)
{
	struct model *m = ring(LOCK_POSIX, 2);

	m->locks.items[0].kind = LOCK_OFD;
	m->locks.items[0].ofd = 5;
	CU_ASSERT_EQUAL(cycles_of(m), 1);
	m = ring(LOCK_POSIX, 2);
	m->locks.items[0].kind = LOCK_FLOCK; /* which POSIX locks do not see */
	m->locks.items[0].ofd = 5;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

static void chains_and_polls_are_no_cycles(void)
{
	struct model *m = ring(LOCK_POSIX, 3);

	m->locks.items[5].resource = 2; /* the last waits for its own file: it does not conflict */
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ring(LOCK_POSIX, 2);
	m->locks.items[1].state = LOCK_POLLING;
	m->locks.items[1].tries = 3;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ring(LOCK_POSIX, 2);
	m->locks.items[1].evidence = EVIDENCE_RECORDED;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ring(LOCK_POSIX, 2);
	m->locks.items[0].end = 9; /* the wait for it begins behind */
	m->locks.items[3].start = 10;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ring(LOCK_POSIX, 2);
	m->locks.items[0].mode = m->locks.items[3].mode = MODE_READ;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ring(LOCK_POSIX, 2);
	m->is_live = false;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

static void another_thread_may_release(void)
{
	struct model *m = ring(LOCK_POSIX, 2);
	uint32_t t = model_add_thread(m);

	m->threads.items[t].process = 1;
	m->threads.items[t].tid = 99;
	m->threads.items[t].task_state = 'S';
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	/* Unless it waits in the ring as well. */
	m = ring(LOCK_POSIX, 2);
	t = model_add_thread(m);
	m->threads.items[t].process = 1;
	m->threads.items[t].tid = 99;
	m->threads.items[t].task_state = 'S';
	add_lock(m, LOCK_POSIX, LOCK_WAITING, 1, 0)->thread = t;
	CU_ASSERT_EQUAL(cycles_of(m), 1);
	/* One that has ended does not count, one that was never looked at might. */
	m = ring(LOCK_POSIX, 2);
	t = model_add_thread(m);
	m->threads.items[t].process = 1;
	CU_ASSERT_EQUAL(cycles_of(m), 1);
	m = ring(LOCK_POSIX, 2);
	m->threads.items[1].task_state = 0;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

static void a_sharer_may_release(void)
{
	struct model *m = ring(LOCK_FLOCK, 2);
	uint32_t child = add_process(m, 50);
	struct model_lock *l = add_lock(m, LOCK_FLOCK, LOCK_HELD, child, 0);

	l->ofd = m->locks.items[0].ofd;
	l->evidence = EVIDENCE_INFERRED;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

/* A writer waits for all readers: one that is free does not help it. */
static void all_readers_must_go(void)
{
	struct model *m = ring(LOCK_POSIX, 2);
	uint32_t free_reader = add_process(m, 50);

	m->locks.items[0].mode = MODE_READ;
	add_lock(m, LOCK_POSIX, LOCK_HELD, free_reader, 0)->mode = MODE_READ;
	CU_ASSERT_EQUAL(cycles_of(m), 1);
}

static void two_rings_are_two_findings(void)
{
	struct model *m = ring(LOCK_POSIX, 4);

	for (uint32_t i = 0; i < 4; i++) /* 0 <-> 1, 2 <-> 3 */
		m->locks.items[2 * i + 1].resource = i ^ 1;
	CU_ASSERT_EQUAL(cycles_of(m), 2);
}

/* Seen once more, it is a deadlock; gone, or asked for anew, it was none. */
static void a_second_look_confirms(void)
{
	for (int what = 0; what < 3; what++) {
		struct model *first = ring(LOCK_POSIX, 2), *again = ring(LOCK_POSIX, 2);

		if (what == 1)
			again->locks.items[1].state = LOCK_HELD;
		for (uint32_t i = 0; what == 2 && i < again->locks.count; i++)
			again->locks.items[i].since_ns += 1;
		analyse(first);
		analyse(again);
		CU_ASSERT(analysis_has_cycle(first));
		analysis_confirm(first, again);
		CU_ASSERT_EQUAL(analysis_has_cycle(first), what == 0);
		model_free(first);
		model_free(again);
	}
}

/* --- deadlock-cycle of processes that have ended ---------------------------------------------- */

/* What is left of a ring whose processes were killed, all at one moment. */
static struct model *ended_ring(enum lock_kind kind, uint32_t n)
{
	struct model *m = ring(kind, n);

	m->is_live = false;
	for (uint32_t i = 0; i < m->processes.count; i++) {
		m->processes.items[i].state = PROCESS_KILLED;
		m->threads.items[i].task_state = 0;
	}
	for (uint32_t i = 0; i < m->locks.count; i++) {
		m->locks.items[i].evidence = EVIDENCE_RECORDED;
		m->locks.items[i].since_ns = (1 + i % 2) * SECOND; /* first hold, then ask */
	}
	return m;
}

static void the_dead_waited_for_each_other(void)
{
	struct model *m = ended_ring(LOCK_FLOCK, 2);

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_DEADLOCK_CYCLE);
	CU_ASSERT_EQUAL(m->findings.items[0].process_count, 2);
	CU_ASSERT_PTR_EQUAL(strstr(m->findings.items[0].evidence,
				   "recorded: each of them still waited when it ended"),
			    m->findings.items[0].evidence);
	CU_ASSERT_FALSE(analysis_has_cycle(m)); /* nothing to look at a second time */
	model_free(m);
	CU_ASSERT_EQUAL(cycles_of(ended_ring(LOCK_POSIX, 13)), 1);
	CU_ASSERT_EQUAL(cycles_of(ended_ring(LOCK_OFD, 3)), 1);
	m = ended_ring(LOCK_POSIX, 2); /* others of the session still run */
	m->is_live = true;
	add_process(m, 50);
	CU_ASSERT_EQUAL(cycles_of(m), 1);
	m = ended_ring(LOCK_POSIX, 2);
	m->locks.items[0].kind = LOCK_OFD;
	m->locks.items[0].ofd = 5;
	CU_ASSERT_EQUAL(cycles_of(m), 1);
}

static void the_dead_were_no_deadlock(void)
{
	struct model *m = ended_ring(LOCK_POSIX, 3);

	m->locks.items[5].resource = 2; /* a chain: ordered locking, killed in mid-wait */
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2); /* the last one was granted before it was killed */
	m->locks.items[3].state = LOCK_HELD;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2); /* exit(): another thread of it went on */
	m->processes.items[1].state = PROCESS_EXITED;
	m->locks.items[2].evidence = m->locks.items[3].evidence = EVIDENCE_STALE;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2); /* an earlier image's record */
	m->processes.items[1].state = PROCESS_EXECED;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2);
	m->processes.items[0].ended_ns = 2 * SECOND; /* before the other asked */
	m->locks.items[3].since_ns = 3 * SECOND;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_FLOCK,
		       2); /* given back through a copy of the descriptor: a tombstone */
	m->locks.items[0].evidence = EVIDENCE_STALE;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2); /* another thread could have gone on */
	m->threads.items[model_add_thread(m)].process = 1;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2); /* a living one waits for nobody that has ended */
	m->processes.items[1].state = PROCESS_LIVE;
	m->threads.items[1].task_state = 'S';
	m->is_live = true;
	m->locks.items[2].evidence = m->locks.items[3].evidence = EVIDENCE_OBSERVED;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

/* flock() gives up READ before it waits for WRITE: two that do so wait for a third reader. */
static void conversions_of_flock_hold_nothing(void)
{
	struct model *m = ended_ring(LOCK_FLOCK, 2);

	for (uint32_t i = 0; i < m->locks.count; i++)
		m->locks.items[i].resource = 0;
	m->locks.items[0].mode = m->locks.items[2].mode = MODE_READ;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 2); /* fcntl() keeps it */
	for (uint32_t i = 0; i < m->locks.count; i++)
		m->locks.items[i].resource = 0;
	m->locks.items[0].mode = m->locks.items[2].mode = MODE_READ;
	CU_ASSERT_EQUAL(cycles_of(m), 1);
}

/* Records of two runs in one directory: of the same deadlock, and of one that is none. */
static void runs_are_kept_apart(void)
{
	struct model *m = ended_ring(LOCK_POSIX, 4);

	for (uint32_t i = 0; i < 4; i++) { /* 0 and 1, then 2 and 3, with the files 0 and 1 */
		m->locks.items[2 * i].resource = i % 2;
		m->locks.items[2 * i + 1].resource = (i % 2) ^ 1;
		m->locks.items[2 * i].since_ns += i / 2 * 10 * SECOND;
		m->locks.items[2 * i + 1].since_ns += i / 2 * 10 * SECOND;
	}
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 2);
	CU_ASSERT_EQUAL(m->findings.items[0].processes[0], 0);
	CU_ASSERT_EQUAL(m->findings.items[0].processes[1], 1);
	CU_ASSERT_EQUAL(m->findings.items[1].processes[0], 2);
	CU_ASSERT_EQUAL(m->findings.items[1].processes[1], 3);
	model_free(m);
	m = ended_ring(LOCK_POSIX, 3); /* the first asks when the third has the file */
	m->locks.items[3].resource = 0;
	m->locks.items[4].resource = 1;
	m->locks.items[5].resource = 0;
	m->locks.items[4].since_ns = 2 * SECOND + 1;
	m->locks.items[1].since_ns = 3 * SECOND;
	m->locks.items[5].state = LOCK_POLLING;
	m->locks.items[5].tries = 1;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

/* What was seen at one look only, or deduced, is no evidence against the dead. */
static void glimpses_of_the_dead_are_none(void)
{
	struct model *m = ended_ring(LOCK_POSIX, 3);

	for (uint32_t i = 0; i < m->locks.count; i++)
		m->locks.items[i].is_sampled = true;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].evidence, "recorded by sampling"));
	model_free(m);
	m = ended_ring(LOCK_POSIX, 3);
	m->locks.items[m->locks.count - 1].is_sampled = true;
	m->locks.items[m->locks.count - 1].is_glimpse = true;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = ended_ring(LOCK_POSIX, 3);
	m->locks.items[0].is_sampled = true;
	m->locks.items[0].is_deduced = true;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

static const struct unit_test tests[] = {
	{"two processes that wait for each other are a deadlock", two_processes_in_a_ring},
	{"rings of flock, OFD and thirteen POSIX locks are found", rings_of_every_kind},
	{"a process can wait for its own other file description", a_process_waits_for_itself},
	{"POSIX and OFD locks see each other, flock locks do not", posix_waits_for_ofd},
	{"chains, polls, ranges apart, readers and the dead are no deadlock",
	 chains_and_polls_are_no_cycles},
	{"a free thread of a holder is no deadlock", another_thread_may_release},
	{"a child that shares the description is no deadlock", a_sharer_may_release},
	{"a writer waits for all readers", all_readers_must_go},
	{"two rings are two findings", two_rings_are_two_findings},
	{"a deadlock that is gone at a second look was none", a_second_look_confirms},
	{"the dead that waited for each other are a deadlock", the_dead_waited_for_each_other},
	{"chains, grants, exits and earlier ends among the dead are none",
	 the_dead_were_no_deadlock},
	{"flock() holds nothing while it converts", conversions_of_flock_hold_nothing},
	{"records of several runs are kept apart", runs_are_kept_apart},
	{"what was sampled once, or deduced, is no deadlock", glimpses_of_the_dead_are_none},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_cycle = {tests};
