/* The analysis, on models made by hand: each detector, and its innocent twin. */
#include "collector/analysis.h"

#include <string.h>
#include <sys/syscall.h>

#include "collector/collector.h"
#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)

/* --- models ----------------------------------------------------------------------------------- */

static struct model *live_model(void)
{
	struct model *m = model_new();

	m->is_live = true;
	m->now_ns = 100 * SECOND;
	return m;
}

/* A live process with one thread, which sleeps. Its thread has the process's index. */
static uint32_t add_process(struct model *m, pid_t pid)
{
	uint32_t p = model_add_process(m), t = model_add_thread(m);

	m->processes.items[p].pid = pid;
	m->processes.items[p].name = model_stringf(m, "/bin/p%d", (int)pid);
	m->threads.items[t].process = p;
	m->threads.items[t].tid = pid;
	m->threads.items[t].task_state = 'S';
	return p;
}

static uint32_t add_file(struct model *m, const char *path)
{
	uint32_t r = model_add_resource(m);

	m->resources.items[r].path = path;
	m->resources.items[r].ino = r + 1;
	return r;
}

/* A WRITE lock on the whole file, as the kernel tells it. */
static struct model_lock *add_lock(struct model *m, enum lock_kind kind, enum lock_state state,
				   uint32_t process, uint32_t resource)
{
	uint32_t i = model_add_lock(m);
	struct model_lock *l = &m->locks.items[i];

	l->kind = kind;
	l->state = state;
	l->mode = MODE_WRITE;
	l->evidence = EVIDENCE_OBSERVED;
	l->process = l->thread = process;
	l->resource = resource;
	l->end = MODEL_TO_EOF;
	l->since_ns = SECOND;
	l->ofd = kind == LOCK_POSIX ? 0 : 1000 + process;
	return l;
}

/* n processes, each holds its file and waits for the next one's. */
static struct model *ring(enum lock_kind kind, uint32_t n)
{
	static const char *const paths[] = {"/a", "/b", "/c", "/d", "/e", "/f"};
	struct model *m = live_model();

	for (uint32_t i = 0; i < n; i++) {
		add_process(m, 10 + (pid_t)i);
		add_file(m, paths[i % 6]);
	}
	for (uint32_t i = 0; i < n; i++) {
		add_lock(m, kind, LOCK_HELD, i, i);
		add_lock(m, kind, LOCK_WAITING, i, (i + 1) % n);
	}
	return m;
}

static uint32_t count_kind(const struct model *m, enum finding_kind kind)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->findings.count; i++)
		count += m->findings.items[i].kind == kind;
	return count;
}

/* Analyses and frees: how many deadlocks there are. */
static uint32_t cycles_of(struct model *m)
{
	analyse(m);
	uint32_t count = count_kind(m, FINDING_DEADLOCK_CYCLE);

	CU_ASSERT_EQUAL(m->findings.count, count);
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

/* --- calls in handlers ------------------------------------------------------------------------ */

static uint32_t add_handler(struct model *m, uint32_t process, const char *function)
{
	uint32_t h = model_add_handler(m);

	m->handlers.items[h].process = process;
	m->handlers.items[h].signo = 14;
	m->handlers.items[h].address = 0x1000 + h;
	m->handlers.items[h].function = function;
	m->handlers.items[h].deliveries = 10;
	return h;
}

static struct model_call *add_call(struct model *m, uint32_t process, uint32_t handler,
				   const char *function)
{
	uint32_t i = model_add_call(m);
	struct model_call *c = &m->calls.items[i];

	c->process = process;
	c->thread = process;
	c->handler = handler;
	c->signo = 14;
	c->function = function;
	c->count = 2;
	c->first_ns = 2 * SECOND;
	c->last_ns = 3 * SECOND;
	c->is_classified = true;
	return c;
}

static void sites_are_merged(void)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), h = add_handler(m, p, "on_alarm");

	add_call(m, p, h, "printf");
	add_call(m, p, h, "syslog");
	add_call(m, p, h, "printf")->first_ns = SECOND;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 2);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_UNSAFE_CALL);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_EQUAL(f->count, 4);
	CU_ASSERT_EQUAL(f->first_ns, SECOND);
	CU_ASSERT_STRING_EQUAL(f->headline, "printf() was called in the handler on_alarm() of "
					    "SIGALRM in /bin/p10 (pid 10)");
	CU_ASSERT_EQUAL(m->findings.items[1].count, 2);
	model_free(m);
}

/* A handler's malloc that interrupted malloc. `is_stuck`: its call has not returned. */
static struct model *reentered(bool is_stuck)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), h = add_handler(m, p, "on_alarm");
	struct model_call *c = add_call(m, p, h, "malloc");

	c->is_allocator = c->has_interrupted_allocator = c->is_threaded = true;
	c->interrupted = "_int_malloc";
	if (is_stuck) {
		struct model_thread *t = &m->threads.items[p];
		t->call = 0;
		t->call_since_ns = m->now_ns - SECOND;
		t->handler_depth = 1;
		t->syscall = SYS_futex;
	}
	return m;
}

static enum finding_kind only_kind(struct model *m)
{
	analyse(m);
	enum finding_kind kind = m->findings.count == 1 ? m->findings.items[0].kind : FINDING_KINDS;

	model_free(m);
	return kind;
}

static void heap_is_reentered(void)
{
	struct model *m = reentered(false);

	CU_ASSERT_EQUAL(only_kind(m), FINDING_HEAP_REENTERED);
	m = reentered(false);
	m->calls.items[0].has_interrupted_allocator = false;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_UNSAFE_CALL);
	m = reentered(false);
	m->calls.items[0].is_allocator = false;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_UNSAFE_CALL);
}

static void heap_deadlock_of_a_live_thread(void)
{
	struct model *m = reentered(true);

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_DEADLOCK_HEAP);
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].headline,
			       "/bin/p10 (pid 10) waits for itself: the handler on_alarm() of "
			       "SIGALRM interrupted _int_malloc() and called malloc()");
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].evidence,
			       "recorded: thread 10 entered malloc() 1.0s ago and has not come "
			       "back; observed: it is blocked in futex()");
	model_free(m);
	m = reentered(true);
	m->threads.items[0].syscall = SYS_nanosleep;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_HEAP_REENTERED);
	m = reentered(true);
	m->threads.items[0].call = MODEL_NONE;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_HEAP_REENTERED);
}

/* For an instant another thread may hold the arena. */
static void a_short_wait_may_be_for_another_thread(void)
{
	for (int is_running = 0; is_running < 2; is_running++) {
		struct model *m = reentered(true);
		uint32_t t = model_add_thread(m);

		m->threads.items[t].process = 0;
		m->threads.items[t].task_state = is_running ? 'R' : 'S';
		m->threads.items[0].call_since_ns = m->now_ns - 1000;
		CU_ASSERT_EQUAL(only_kind(m),
				is_running ? FINDING_HEAP_REENTERED : FINDING_DEADLOCK_HEAP);
	}
}

static void heap_deadlock_of_the_dead(void)
{
	struct model *m = reentered(true);

	m->is_live = false;
	m->processes.items[0].state = PROCESS_KILLED;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_DEADLOCK_HEAP);
	m = reentered(true);
	m->processes.items[0].state = PROCESS_EXITED;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_HEAP_REENTERED);
	m = reentered(true); /* glibc takes no lock while there is one thread */
	m->processes.items[0].state = PROCESS_KILLED;
	m->calls.items[0].is_threaded = false;
	CU_ASSERT_EQUAL(only_kind(m), FINDING_HEAP_REENTERED);
}

/* --- errno ------------------------------------------------------------------------------------ */

static void errno_is_clobbered(void)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), h = add_handler(m, p, "on_alarm");

	add_handler(m, p, "innocent");
	m->handlers.items[h].errno_clobbered = 3;
	m->handlers.items[h].errno_before = 4;
	m->handlers.items[h].errno_after = 2;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_ERRNO_CLOBBERED);
	CU_ASSERT_EQUAL(m->findings.items[0].count, 3);
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].headline,
			       "the handler on_alarm() of SIGALRM returned with another errno in "
			       "/bin/p10 (pid 10) (EINTR became ENOENT)");
	model_free(m);
}

/* --- order and table -------------------------------------------------------------------------- */

static void order_is_kind_process_time(void)
{
	struct model *m = ring(LOCK_POSIX, 2);
	uint32_t second = add_handler(m, 1, "b"), first = add_handler(m, 0, "a");

	add_call(m, 1, second, "printf");
	add_call(m, 0, first, "puts");
	add_call(m, 0, first, "exit")->first_ns = SECOND;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 4);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_DEADLOCK_CYCLE);
	CU_ASSERT_PTR_EQUAL(strstr(m->findings.items[1].headline, "exit"),
			    m->findings.items[1].headline);
	CU_ASSERT_PTR_EQUAL(strstr(m->findings.items[2].headline, "puts"),
			    m->findings.items[2].headline);
	CU_ASSERT_EQUAL(m->findings.items[3].processes[0], 1);
	CU_ASSERT_PTR_NULL(model_check(m));
	model_free(m);
}

static void ids_are_the_contract(void)
{
	CU_ASSERT_STRING_EQUAL(finding_info(FINDING_DEADLOCK_CYCLE)->id, "deadlock-cycle");
	CU_ASSERT_STRING_EQUAL(finding_info(FINDING_UNSAFE_CALL)->id, "unsafe-call-in-handler");
	CU_ASSERT_STRING_EQUAL(finding_info(FINDING_LONG_WAIT)->id, "long-wait");
	CU_ASSERT_STRING_EQUAL(severity_name(SEVERITY_WARNING), "warning");
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
	{"sites of one function and handler are one finding", sites_are_merged},
	{"the heap is re-entered only where the allocator was interrupted", heap_is_reentered},
	{"a live thread that waits in malloc is a deadlock", heap_deadlock_of_a_live_thread},
	{"a short wait may be for another thread", a_short_wait_may_be_for_another_thread},
	{"a killed process that had threads was deadlocked", heap_deadlock_of_the_dead},
	{"handlers that change errno, and one that does not", errno_is_clobbered},
	{"findings are ordered by kind, process and time", order_is_kind_process_time},
	{"ids and severities have their names", ids_are_the_contract},
	{NULL, NULL},
};
const struct unit_suite unit_analysis = {tests};
