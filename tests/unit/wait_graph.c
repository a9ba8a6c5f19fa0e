/* Waits of all kinds, on models made by hand: what proves a deadlock and what does not, chains to
 * the cause, and whose end would help. */
#include <string.h>
#include <sys/syscall.h>

#include "collector/model/wait_chain.h"
#include "collector/model/wait_locks.h"
#include "tests/unit/analysis_fixture.h"

/* The process's first thread waits; one need, whose ways are added behind. */
static uint32_t add_wait(struct model *m, enum wait_kind kind, uint32_t process)
{
	uint32_t i = model_add_wait(m);
	struct model_wait *w = &m->waits.items[i];

	w->kind = kind;
	w->process = w->thread = process;
	w->object = "something";
	model_add_need(m, i);
	return i;
}

static void add_way(struct model *m, uint32_t process, const char *how)
{
	uint32_t i = model_add_way(m, m->needs.count - 1);

	m->ways.items[i].process = process;
	m->ways.items[i].how = how;
}

static uint32_t cycles_of(struct model *m)
{
	analyse(m);
	uint32_t count = count_kind(m, FINDING_DEADLOCK_CYCLE);

	CU_ASSERT_PTR_NULL(model_check(m));
	model_free(m);
	return count;
}

/* 0 holds the file and waits as `kind` says; 1 could end that, and waits for the file. */
static struct model *file_and(enum wait_kind kind, const char *how)
{
	struct model *m = live_model();

	add_process(m, 10);
	add_process(m, 11);
	add_file(m, "/f");
	add_lock(m, LOCK_POSIX, LOCK_HELD, 0, 0);
	add_lock(m, LOCK_POSIX, LOCK_WAITING, 1, 0);
	add_wait(m, kind, 0);
	add_way(m, 1, how);
	return m;
}

static void a_file_and_anything_else(void)
{
	struct model *m = file_and(WAIT_PIPE, "holds the write end");

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].headline,
			       "/bin/p10 (pid 10) waits for something: /bin/p11 (pid 11) holds the "
			       "write end, which waits for a WRITE lock on /f held by /bin/p10 (pid "
			       "10)");
	CU_ASSERT_TRUE(m->waits.items[0].is_in_cycle && m->waits.items[1].is_in_cycle);
	model_free(m);
	CU_ASSERT_EQUAL(cycles_of(file_and(WAIT_SOCKET, "has its other end")), 1);
	CU_ASSERT_EQUAL(cycles_of(file_and(WAIT_CHILD, NULL)), 1);
	CU_ASSERT_EQUAL(cycles_of(file_and(WAIT_EVENTS, "has its other end")), 1);
	CU_ASSERT_EQUAL(cycles_of(file_and(WAIT_SEMAPHORE, "posted it last")), 1);
	/* What a stranger, a time or a signal ends is no part of a proof. */
	for (enum wait_kind kind = 0; kind < WAIT_KINDS; kind++)
		if (kind != WAIT_LOCK && !wait_kind_is_closed(kind))
			CU_ASSERT_EQUAL(cycles_of(file_and(kind, "may")), 0);
}

static void one_free_way_is_enough(void)
{
	struct model *m = file_and(WAIT_PIPE, "holds the write end");

	add_process(m, 12);
	add_way(m, 2, "holds the write end");
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = file_and(WAIT_PIPE, "holds the write end"); /* unless it leads back, too: a knot */
	add_process(m, 12);
	add_way(m, 2, "holds the write end");
	add_lock(m, LOCK_POSIX, LOCK_WAITING, 2, 0);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline, "1 more, who are stuck, too"));
	CU_ASSERT_EQUAL(m->waits.items[2].deadlock, 1);
	CU_ASSERT_FALSE(m->waits.items[2].is_in_cycle);
	model_free(m);
	m = file_and(WAIT_PIPE, "holds the write end"); /* one need that cannot be met suffices */
	add_process(m, 12);
	model_add_need(m, 0);
	add_way(m, 2, "holds the write end");
	CU_ASSERT_EQUAL(cycles_of(m), 1);
}

static void doubt_is_no_proof(void)
{
	struct model *m = file_and(WAIT_PIPE, "holds the write end");

	m->waits.items[0].unseen = "somebody may have it";
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = file_and(WAIT_PIPE, "holds the write end");
	m->needs.items[0].unseen = "somebody may have it";
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = file_and(WAIT_PIPE, "holds the write end");
	m->waits.items[0].until_ns = UINT64_MAX;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = file_and(WAIT_PIPE, "holds the write end");
	m->needs.items[0].way_count = 0; /* nobody that we know: not nobody */
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = file_and(WAIT_PIPE, "holds the write end"); /* a handler of its own may write */
	add_way(m, 0, "holds the write end");
	CU_ASSERT_EQUAL(cycles_of(m), 0);
	m = file_and(WAIT_PIPE, "holds the write end"); /* a second thread that was not looked at */
	m->threads.items[1].task_state = 0;
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

/* Two that wait to be told something by each other are idle; who waits for room is not. */
static struct model *talkers(long call)
{
	struct model *m = live_model();

	add_process(m, 10);
	add_process(m, 11);
	for (uint32_t i = 0; i < 2; i++) {
		add_wait(m, WAIT_SOCKET, i);
		add_way(m, 1 - i, "has its other end");
		m->threads.items[i].syscall = SYS_read;
	}
	m->threads.items[0].syscall = call;
	return m;
}

static void idle_talkers_are_no_deadlock(void)
{
	CU_ASSERT_EQUAL(cycles_of(talkers(SYS_read)), 0);
	CU_ASSERT_EQUAL(cycles_of(talkers(SYS_write)), 1);
	CU_ASSERT_EQUAL(cycles_of(talkers(SYS_sendto)), 1);
}

/* Two threads of one process, and locks of both kinds. */
static struct model *file_and_mutex(void)
{
	struct model *m = live_model();
	uint32_t thread;

	add_process(m, 10);
	add_process(m, 11);
	add_file(m, "/f");
	add_file(m, "mutex 0x1000 (cache_lock)");
	m->resources.items[1].kind = RESOURCE_MEMORY;
	thread = model_add_thread(m);
	m->threads.items[thread].process = 0;
	m->threads.items[thread].tid = 99;
	m->threads.items[thread].task_state = 'S';
	add_lock(m, LOCK_POSIX, LOCK_HELD, 0, 0);
	add_lock(m, LOCK_MUTEX, LOCK_HELD, 0, 1)->thread = thread;
	add_lock(m, LOCK_MUTEX, LOCK_WAITING, 0, 1);
	add_lock(m, LOCK_POSIX, LOCK_WAITING, 0, 0)->thread = thread;
	return m;
}

static void a_file_and_a_mutex(void)
{
	/* The file is the process's own: no conflict; another process has to have it. */
	CU_ASSERT_EQUAL(cycles_of(file_and_mutex()), 0);
	struct model *m = file_and_mutex();

	m->locks.items[0].process = m->locks.items[0].thread = 1; /* 1 has the file ... */
	add_wait(m, WAIT_PIPE, 1);                                /* ... and waits for 0 */
	add_way(m, 0, "holds the write end");
	CU_ASSERT_EQUAL(cycles_of(m), 1);
	m = file_and_mutex(); /* a recursive lock of its own: waits for itself */
	m->locks.items[1].thread = 0;
	m->locks.count = 3;
	m->threads.count = 2;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline, "waits for itself"));
	model_free(m);
}

/* A hundred readers hold, a hundred writers ask: 100 needs, not 10,000. */
static void crowds_share_their_needs(void)
{
	struct model *m = live_model();

	add_file(m, "/f");
	for (uint32_t i = 0; i < 200; i++) {
		add_process(m, 10 + (pid_t)i);
		add_lock(m, LOCK_POSIX, i < 100 ? LOCK_HELD : LOCK_WAITING, i, 0)->mode =
			i < 100 ? MODE_READ : MODE_WRITE;
	}
	wait_add_locks(m);
	CU_ASSERT_EQUAL(m->waits.count, 100);
	CU_ASSERT_EQUAL(m->needs.count, 100);
	CU_ASSERT_EQUAL(m->waits.items[99].need_count, 100);
	wait_add_locks(m); /* once is enough */
	CU_ASSERT_EQUAL(m->waits.count, 100);
	CU_ASSERT_EQUAL(cycles_of(m), 0);
}

/* --- chains ------------------------------------------------------------------------------------ */

static struct chain chain_of(struct model *m, uint32_t process)
{
	struct wait_graph g;
	struct chain c;

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(wait_graph_init(&g, m, WAIT_LOOKS), 0);
	CU_ASSERT_EQUAL_FATAL(chain_build(&c, &g, process, 100), 0);
	chain_choose_victim(&c, &g);
	wait_graph_done(&g);
	return c;
}

/* Each waits for the file of the next one; the last one holds and does something else. */
static struct model *line(uint32_t n)
{
	struct model *m = ring(LOCK_POSIX, n);

	m->locks.count--;
	return m;
}

static void a_chain_ends_where_somebody_does_not_wait(void)
{
	struct model *m = line(4);

	m->threads.items[3].task_state = 'T';
	struct chain c = chain_of(m, 0);

	CU_ASSERT_EQUAL_FATAL(c.count, 4);
	CU_ASSERT_EQUAL(c.links[2].end, CHAIN_GOES_ON);
	CU_ASSERT_EQUAL(c.links[3].end, CHAIN_STOPPED);
	CU_ASSERT_EQUAL(c.links[3].process, 3);
	CU_ASSERT_EQUAL(c.victim, 3); /* the end of any other one helps fewer */
	CU_ASSERT_EQUAL(c.freed, 3);
	CU_ASSERT_TRUE(chain_is_stuck(&c, m));
	chain_done(&c);
	c = chain_of(m, 3);
	CU_ASSERT_EQUAL(c.count, 1);
	chain_done(&c);
	m->threads.items[3].task_state = 'D'; /* whom not even SIGKILL ends */
	c = chain_of(m, 0);
	CU_ASSERT_NOT_EQUAL(c.victim, 3);
	chain_done(&c);
	m->threads.items[3].task_state = 'R'; /* who is at work will let them go on */
	c = chain_of(m, 0);
	CU_ASSERT_EQUAL(c.links[3].end, CHAIN_RUNS);
	CU_ASSERT_EQUAL(c.victim, MODEL_NONE);
	chain_done(&c);
	c = chain_of(m, 3);
	CU_ASSERT_FALSE(chain_is_stuck(&c, m));
	chain_done(&c);
	model_free(m);
}

static void a_ring_is_told_edge_by_edge(void)
{
	struct model *m = ring(LOCK_POSIX, 50);
	uint32_t behind = add_process(m, 90);

	add_lock(m, LOCK_POSIX, LOCK_WAITING, behind, 7);
	struct chain c = chain_of(m, behind);

	CU_ASSERT_EQUAL(count_kind(m, FINDING_DEADLOCK_CYCLE), 1);
	CU_ASSERT_EQUAL_FATAL(c.count, 52);
	CU_ASSERT_EQUAL(c.links[51].end, CHAIN_CYCLE);
	CU_ASSERT_EQUAL(c.links[51].back, 1);
	CU_ASSERT_EQUAL(c.links[51].depth, 51);
	/* Whoever of the ring ends, the others and who waits behind it go on, one after the other. */
	CU_ASSERT_EQUAL(c.freed, 50);
	chain_done(&c);
	model_free(m);
}

static void a_shared_lock_is_not_freed_by_one(void)
{
	struct model *m = ring(LOCK_FLOCK, 2);
	uint32_t heir = add_process(m, 50);

	m->locks.count--; /* the second one does something else */
	struct model_lock *copy = add_lock(m, LOCK_FLOCK, LOCK_HELD, heir, 1);

	copy->ofd = m->locks.items[2].ofd = 5;
	copy->is_copy = true;
	copy->evidence = EVIDENCE_INFERRED;
	struct chain c = chain_of(m, 0);

	CU_ASSERT_EQUAL_FATAL(c.count, 3); /* both who could release it */
	CU_ASSERT_EQUAL(c.victim, MODEL_NONE);
	chain_done(&c);
	model_free(m);
}

static void branches_are_bounded(void)
{
	struct model *m = live_model();

	add_file(m, "/f");
	for (uint32_t i = 0; i < 100; i++) {
		add_process(m, 10 + (pid_t)i);
		add_lock(m, LOCK_POSIX, i ? LOCK_HELD : LOCK_WAITING, i, 0)->mode =
			i ? MODE_READ : MODE_WRITE;
	}
	m->threads.items[50].task_state = 'R';
	struct chain c = chain_of(m, 0);

	CU_ASSERT_EQUAL_FATAL(c.count, 4);
	CU_ASSERT_EQUAL(c.links[3].others, 96);
	CU_ASSERT_EQUAL(c.victim, MODEL_NONE); /* 99 have to go */
	chain_done(&c);
	model_free(m);
}

/* In uninterruptible sleep for so long; 0: nobody knows. */
static bool is_disk_stuck(uint64_t for_ns)
{
	struct model *m = live_model();

	add_process(m, 10);
	m->now_ns = UINT64_C(3600000000000);
	uint32_t wait = add_wait(m, WAIT_DISK, 0);

	m->waits.items[wait].since_ns = for_ns ? m->now_ns - for_ns : 0;
	m->threads.items[0].task_state = 'D';
	struct chain c = chain_of(m, 0);
	bool is = chain_is_stuck(&c, m);

	chain_done(&c);
	model_free(m);
	return is;
}

static void a_disk_that_answers_sticks_nobody(void)
{
	CU_ASSERT_FALSE(is_disk_stuck(UINT64_C(20000000)));
	CU_ASSERT_TRUE(is_disk_stuck(UINT64_C(20000000000)));
	CU_ASSERT_TRUE(is_disk_stuck(0));
	struct model *m = live_model();

	add_process(m, 10);
	m->threads.items[0].task_state = 'D'; /* it was on its way: no wait was confirmed */
	struct chain c = chain_of(m, 0);

	CU_ASSERT_EQUAL(c.links[c.count - 1].end, CHAIN_DISK);
	CU_ASSERT_FALSE(chain_is_stuck(&c, m));
	chain_done(&c);
	model_free(m);
}

static const struct unit_test tests[] = {
	{"a file lock and a wait of any other kind", a_file_and_anything_else},
	{"one free way is enough, all stuck are a knot", one_free_way_is_enough},
	{"what is not known for sure proves nothing", doubt_is_no_proof},
	{"who only waits to be told something may be idle", idle_talkers_are_no_deadlock},
	{"a file lock and a mutex", a_file_and_a_mutex},
	{"crowds share their needs", crowds_share_their_needs},
	{"a chain ends where somebody does not wait", a_chain_ends_where_somebody_does_not_wait},
	{"a ring is told edge by edge", a_ring_is_told_edge_by_edge},
	{"a lock that is shared is not freed by one end", a_shared_lock_is_not_freed_by_one},
	{"a disk that answers sticks nobody", a_disk_that_answers_sticks_nobody},
	{"of a crowd of holders some are followed", branches_are_bounded},
	{NULL, NULL},
};
const struct unit_suite unit_wait_graph = {tests};
