/* The kernel's word against the records: models by hand, lines of /proc/locks as text. */
#include "config.h"

#include "collector/source/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "collector/proc/crew.h"
#include "collector/source/owners.h"
#include "collector/source/select.h"
#include "tests/unit/render_fixture.h"
#include "tests/unit/unit.h"

static const struct collect_options options;
static struct gather g;
static struct kernel_locks k;

static void begin(void)
{
	g = (struct gather){.m = model_new(), .options = &options};
	g.m->now_ns = UINT64_C(100000000000);
}

static void end(void)
{
	CU_ASSERT_PTR_NULL(model_check(g.m));
	kernel_locks_done(&k);
	gather_done(&g);
	model_free(g.m);
}

static uint32_t process(pid_t pid)
{
	uint32_t i = fixture_process(g.m, pid, "/bin/p");

	index_add(&g.processes, pid, i);
	return i;
}

static uint32_t recorded(enum lock_state state, uint32_t process, uint64_t dev, uint64_t ino)
{
	uint32_t i = fixture_lock(g.m, state, process, gather_resource(&g, dev, ino, "/f"));

	g.m->locks.items[i].evidence = EVIDENCE_RECORDED;
	g.m->locks.items[i].since_ns = 42;
	return i;
}

/* What source_locks does, but for looking at processes: unknown ones are added. */
static void merge(const char *lines)
{
	static char text[4096];

	strcpy(text, lines);
	CU_ASSERT_EQUAL_FATAL(kernel_locks_parse(text, &k), 0);
	k.read_ns = 99;
	merge_images(&g);
	CU_ASSERT_EQUAL(merge_match(&g, &k), 0);
	for (uint32_t i = 0; i < k.count; i++)
		if (k.items[i].lock == MODEL_NONE && k.items[i].pid > 0 && !k.items[i].is_outdated)
			k.items[i].process = model_find_process(g.m, k.items[i].pid, 0);
	CU_ASSERT_EQUAL(merge_judge(&g, &k), 0);
	CU_ASSERT_EQUAL(merge_link(&g, &k), 0);
}

static const struct model_lock *lock(uint32_t i)
{
	return &g.m->locks.items[i];
}

static void records_are_confirmed(void)
{
	begin();
	uint32_t h = recorded(LOCK_HELD, process(10), makedev(0xfe, 0), 5);
	uint32_t w = recorded(LOCK_WAITING, process(11), makedev(0xfe, 0), 5);
	merge("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 11 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(g.m->locks.count, 2);
	CU_ASSERT_EQUAL(lock(h)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(h)->since_ns, 42);
	CU_ASSERT_EQUAL(lock(w)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(w)->blocker, h);
	CU_ASSERT_EQUAL(g.m->resources.items[0].kernel_dev, makedev(0xfe, 0));
	end();
}

static void released_holds_are_stale(void)
{
	begin();
	uint32_t h = recorded(LOCK_HELD, process(10), makedev(0xfe, 0), 5);
	uint32_t w = recorded(LOCK_WAITING, process(11), makedev(0xfe, 0), 5);
	merge("1: POSIX  ADVISORY  WRITE 12 fe:00:9 0 EOF\n");
	CU_ASSERT_EQUAL(lock(h)->evidence, EVIDENCE_STALE);
	CU_ASSERT_EQUAL(lock(w)->evidence, EVIDENCE_STALE);
	end();
}

static void waits_are_granted_meanwhile(void)
{
	begin();
	uint32_t w = recorded(LOCK_WAITING, process(10), makedev(0xfe, 0), 5);
	merge("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(g.m->locks.count, 1);
	CU_ASSERT_EQUAL(lock(w)->state, LOCK_HELD);
	CU_ASSERT_EQUAL(lock(w)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(w)->since_ns, 99);
	end();
}

static void unrecorded_locks_are_shown(void)
{
	begin();
	process(10);
	merge("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "1: -> POSIX  ADVISORY  READ  77 fe:00:5 3 4\n");
	CU_ASSERT_EQUAL_FATAL(g.m->locks.count, 2);
	CU_ASSERT_EQUAL(lock(0)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(0)->since_ns, 0);
	CU_ASSERT_EQUAL(lock(1)->process, MODEL_NONE);
	CU_ASSERT_EQUAL(lock(1)->mode, MODE_READ);
	CU_ASSERT_EQUAL(lock(1)->blocker, 0);
	end();
}

static void devices_may_differ(void)
{
	begin();
	/* btrfs: stat shows 0:45, /proc/locks 0:2f. */
	uint32_t h = recorded(LOCK_HELD, process(10), makedev(0, 45), 257);
	uint32_t other = recorded(LOCK_HELD, process(11), makedev(0, 45), 300);
	merge("1: POSIX  ADVISORY  WRITE 10 00:2f:257 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 12 00:2f:257 0 EOF\n");
	CU_ASSERT_EQUAL(lock(h)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(other)->evidence, EVIDENCE_STALE);
	CU_ASSERT_EQUAL(g.m->resources.count, 2);
	CU_ASSERT_EQUAL(lock(2)->resource, lock(h)->resource);
	CU_ASSERT_EQUAL(lock(2)->blocker, h);
	end();
}

static void shared_descriptions_are_one_holder(void)
{
	begin();
	uint32_t taker = process(10), child = process(11);
	uint32_t h = recorded(LOCK_HELD, taker, makedev(0xfe, 0), 5);
	uint32_t copy = recorded(LOCK_HELD, child, makedev(0xfe, 0), 5);
	for (uint32_t i = h; i <= copy; i++) {
		g.m->locks.items[i].kind = LOCK_FLOCK;
		g.m->locks.items[i].ofd = UINT64_C(10) << 32 | 1;
	}
	g.m->locks.items[copy].is_inherited = true;
	merge("1: FLOCK  ADVISORY  WRITE 10 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(lock(h)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT(!lock(h)->is_copy);
	CU_ASSERT_EQUAL(lock(copy)->evidence, EVIDENCE_INFERRED);
	CU_ASSERT(lock(copy)->is_copy);
	end();
}

static void the_heir_is_named(void)
{
	begin();
	/* The taker, pid 9, is gone; its child keeps the description. */
	uint32_t copy = recorded(LOCK_HELD, process(11), makedev(0xfe, 0), 5);
	g.m->locks.items[copy].kind = LOCK_FLOCK;
	g.m->locks.items[copy].ofd = UINT64_C(9) << 32 | 1;
	g.m->locks.items[copy].is_inherited = true;
	merge("1: FLOCK  ADVISORY  WRITE 9 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(g.m->locks.count, 1);
	CU_ASSERT_EQUAL(lock(copy)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT(!lock(copy)->is_copy);
	end();
}

static void outdated_lines_are_not_used(void)
{
	begin();
	uint32_t old = recorded(LOCK_HELD, process(10), makedev(0xfe, 0), 5);
	uint32_t new = recorded(LOCK_HELD, process(11), makedev(0xfe, 0), 5);
	uint32_t w = recorded(LOCK_WAITING, process(12), makedev(0xfe, 0), 5);
	merge("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 12 fe:00:5 0 EOF\n"
	      "2: POSIX  ADVISORY  WRITE 11 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(lock(old)->evidence, EVIDENCE_STALE);
	CU_ASSERT_EQUAL(lock(new)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(w)->blocker, new);
	CU_ASSERT_EQUAL(g.m->locks.count, 3);
	end();
}

static void polling_ends(void)
{
	begin();
	uint64_t now = g.m->now_ns, second = UINT64_C(1000000000);
	uint32_t h = recorded(LOCK_HELD, process(10), makedev(0xfe, 0), 5);
	uint32_t fresh = recorded(LOCK_POLLING, process(11), makedev(0xfe, 0), 5);
	uint32_t silent = recorded(LOCK_POLLING, process(12), makedev(0xfe, 0), 5);
	uint32_t slow = recorded(LOCK_POLLING, process(13), makedev(0xfe, 0), 5);
	uint32_t alone = recorded(LOCK_POLLING, process(14), makedev(0xfe, 0), 6);
	for (uint32_t i = fresh; i <= alone; i++) {
		struct model_lock *l = &g.m->locks.items[i];
		l->tries = 11;
		l->since_ns = now - 60 * second;
		l->last_try_ns = i == silent ? l->since_ns + second : now - second;
	}
	/* Every three seconds: after nine seconds of silence he may still come back. */
	g.m->locks.items[slow].last_try_ns = now - 9 * second;
	merge("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(lock(fresh)->evidence, EVIDENCE_RECORDED);
	CU_ASSERT_EQUAL(lock(fresh)->blocker, h);
	CU_ASSERT_EQUAL(lock(silent)->evidence, EVIDENCE_STALE);
	CU_ASSERT_EQUAL(lock(slow)->evidence, EVIDENCE_RECORDED);
	CU_ASSERT_EQUAL(lock(alone)->evidence, EVIDENCE_STALE); /* nobody is in its way */
	end();
}

static void former_images_hold_nothing(void)
{
	begin();
	uint32_t before = process(10), after = process(10);
	g.m->processes.items[after].image = 1;
	uint32_t old = recorded(LOCK_HELD, before, makedev(0xfe, 0), 5);
	uint32_t new = recorded(LOCK_HELD, after, makedev(0xfe, 0), 5);
	merge("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(g.m->processes.items[before].state, PROCESS_EXECED);
	CU_ASSERT_EQUAL(g.m->processes.items[after].state, PROCESS_LIVE);
	CU_ASSERT_EQUAL(lock(old)->evidence, EVIDENCE_STALE);
	CU_ASSERT_EQUAL(lock(new)->evidence, EVIDENCE_OBSERVED);
	end();
}

static void the_dead_stay_as_recorded(void)
{
	begin();
	uint32_t dead = process(10), waiter = process(11);
	g.m->processes.items[dead].state = g.m->processes.items[waiter].state = PROCESS_KILLED;
	uint32_t h = recorded(LOCK_HELD, dead, makedev(0xfe, 0), 5);
	uint32_t w = recorded(LOCK_WAITING, waiter, makedev(0xfe, 0), 5);
	uint32_t live = recorded(LOCK_HELD, process(12), makedev(0xfe, 0), 5);
	merge("1: POSIX  ADVISORY  WRITE 12 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(lock(h)->evidence, EVIDENCE_RECORDED);
	CU_ASSERT_EQUAL(lock(w)->evidence, EVIDENCE_RECORDED);
	CU_ASSERT_EQUAL(lock(w)->blocker, h);
	CU_ASSERT_EQUAL(lock(live)->evidence, EVIDENCE_OBSERVED);
	end();
}

/* /proc/locks skipped all lines; fdinfo and system calls of tests/fixtures/proc-good tell. */
static void skipped_lines_are_asked_for(void)
{
	const char *source = getenv("LOCKJAM_TEST_SRCDIR");
	char root[4096];

	begin();
	snprintf(root, sizeof(root), "%s/tests/fixtures/proc-good", source ? source : ".");
	g.proc = proc_new(root);
	uint32_t heir = recorded(LOCK_HELD, process(901), makedev(0xfe, 2), 4713);
	uint32_t held = recorded(LOCK_HELD, process(500), makedev(0xfe, 2), 4712);
	uint32_t gone = recorded(LOCK_HELD, process(3301), makedev(0xfe, 2), 4799);
	uint32_t wait = recorded(LOCK_WAITING, process(21130), makedev(0xfe, 2), 4711);
	uint32_t copy = recorded(LOCK_HELD, g.m->locks.items[heir].process, makedev(0xfe, 2), 4713);
	struct model_lock *l = g.m->locks.items;
	l[heir].kind = l[copy].kind = LOCK_FLOCK;
	l[heir].ofd = l[copy].ofd = 7;
	l[heir].fd = l[copy].fd = l[gone].fd = 5;
	l[heir].is_inherited = true; /* comes second although it stands first */
	l[held].kind = LOCK_OFD;
	l[held].fd = 99; /* a duplicate is open still */
	l[held].start = 100;
	l[held].end = 199;
	l[wait].fd = 9;
	l[wait].thread = model_add_thread(g.m);
	g.m->threads.items[0].process = l[wait].process;
	g.m->threads.items[0].tid = 21130;
	merge("");
	for (uint32_t i = 0; i < g.m->locks.count; i++)
		CU_ASSERT_EQUAL(lock(i)->evidence, EVIDENCE_STALE);
	owners_confirm(&g);
	CU_ASSERT_EQUAL(lock(held)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(gone)->evidence, EVIDENCE_STALE);
	CU_ASSERT_EQUAL(lock(wait)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(copy)->evidence, EVIDENCE_OBSERVED);
	CU_ASSERT_EQUAL(lock(heir)->evidence, EVIDENCE_INFERRED);
	CU_ASSERT(lock(heir)->is_copy);
	proc_free((struct proc *)g.proc);
	end();
}

static void count_item(void *data, uint32_t item)
{
	((uint8_t *)data)[item]++;
}

static void a_crew_does_each_item_once(void)
{
	static uint8_t done[5000];
	static const uint32_t counts[] = {0, 1, 63, 64, 5000};

	for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		memset(done, 0, sizeof(done));
		crew_run(count_item, done, counts[n]);
		for (uint32_t i = 0; i < sizeof(done); i++)
			CU_ASSERT_EQUAL(done[i], i < counts[n]);
	}
}

static void targets_keep_their_chain(void)
{
	begin();
	uint32_t a = process(10), b = process(11), c = process(12), d = process(13);
	recorded(LOCK_WAITING, a, makedev(0xfe, 0), 1); /* a waits for b, who waits for c */
	recorded(LOCK_HELD, b, makedev(0xfe, 0), 1);
	recorded(LOCK_WAITING, b, makedev(0xfe, 0), 2);
	recorded(LOCK_HELD, c, makedev(0xfe, 0), 2);
	recorded(LOCK_HELD, c, makedev(0xfe, 0), 3); /* none of a's business */
	recorded(LOCK_HELD, d, makedev(0xfe, 0), 4);
	merge("1: POSIX  ADVISORY  WRITE 11 fe:00:1 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 10 fe:00:1 0 EOF\n"
	      "2: POSIX  ADVISORY  WRITE 12 fe:00:2 0 EOF\n"
	      "2: -> POSIX  ADVISORY  WRITE 11 fe:00:2 0 EOF\n"
	      "3: POSIX  ADVISORY  WRITE 12 fe:00:3 0 EOF\n"
	      "4: POSIX  ADVISORY  WRITE 13 fe:00:4 0 EOF\n");
	g.m->processes.items[a].is_target = true;
	bool is_kept[8] = {false};
	CU_ASSERT_EQUAL(select_reduce(&g, is_kept), 0);
	CU_ASSERT_EQUAL(g.m->processes.count, 3);
	CU_ASSERT_EQUAL(g.m->resources.count, 2);
	CU_ASSERT_EQUAL(g.m->locks.count, 4);
	CU_ASSERT_EQUAL(lock(0)->blocker, 1);
	CU_ASSERT_EQUAL(lock(2)->blocker, 3);
	end();
}

static void lost(uint32_t process, uint32_t resource, uint32_t other)
{
	uint32_t i = model_add_lost(g.m);
	struct model_lost *l = &g.m->losses.items[i];

	l->process = process;
	l->resource = resource;
	l->other = other;
}

/* Indices are of what is left; who is left out is a number. */
static void losses_follow_their_process(void)
{
	begin();
	uint32_t a = process(10), b = process(11), c = process(12);
	recorded(LOCK_HELD, a, makedev(0xfe, 0), 1);
	recorded(LOCK_HELD, b, makedev(0xfe, 0), 2);
	recorded(LOCK_HELD, c, makedev(0xfe, 0), 3);
	lost(a, lock(0)->resource, b);
	lost(c, lock(2)->resource, a);
	merge("2: POSIX  ADVISORY  WRITE 12 fe:00:3 0 EOF\n");
	g.m->processes.items[c].is_target = true;
	bool is_kept[8] = {false};
	CU_ASSERT_EQUAL(select_reduce(&g, is_kept), 0);
	CU_ASSERT_EQUAL(g.m->processes.count, 1);
	CU_ASSERT_EQUAL_FATAL(g.m->losses.count, 1);
	const struct model_lost *l = &g.m->losses.items[0];
	CU_ASSERT_EQUAL(l->process, 0);
	CU_ASSERT_EQUAL(g.m->resources.items[l->resource].ino, 3);
	CU_ASSERT_EQUAL(l->other, MODEL_NONE);
	CU_ASSERT_EQUAL(l->other_pid, 10);
	end();
}

static const struct unit_test tests[] = {
	{"losses follow their process", losses_follow_their_process},
	{"records are confirmed", records_are_confirmed},
	{"holds that the kernel does not have are stale", released_holds_are_stale},
	{"waits that were granted meanwhile are holds", waits_are_granted_meanwhile},
	{"locks without a record are shown", unrecorded_locks_are_shown},
	{"the device of stat and of the kernel may differ", devices_may_differ},
	{"an open file description is one holder", shared_descriptions_are_one_holder},
	{"the heir of a dead taker is named", the_heir_is_named},
	{"outdated lines are not used", outdated_lines_are_not_used},
	{"polling ends by silence or a free lock", polling_ends},
	{"former images of a process hold nothing", former_images_hold_nothing},
	{"the dead stay as they were recorded", the_dead_stay_as_recorded},
	{"what /proc/locks skipped is asked for", skipped_lines_are_asked_for},
	{"a crew does each item once", a_crew_does_each_item_once},
	{"targets keep the chain of waits from them", targets_keep_their_chain},
	{NULL, NULL},
};
const struct unit_suite unit_merge = {tests};
