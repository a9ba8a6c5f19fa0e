/* /proc/locks: its form, its queues, and that it is no snapshot. */
#include "config.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "collector/proc/kernel_locks.h"
#include "tests/unit/unit.h"

static struct kernel_locks k;

static void parse(const char *lines)
{
	static char text[4096];

	strcpy(text, lines);
	CU_ASSERT_EQUAL_FATAL(kernel_locks_parse(text, &k), 0);
}

static void reads_every_form(void)
{
	parse("1: POSIX  ADVISORY  WRITE 3301 fe:1a:4711 0 EOF\n"
	      "2: OFDLCK ADVISORY  READ  -1 00:2f:12 10 14\n"
	      "3: FLOCK  ADVISORY  WRITE 99 fe:00:13 0 EOF\n"
	      "4: LEASE  ACTIVE    READ 77 fe:00:14 0 EOF\n"
	      "5: DELEG  BREAKING  WRITE 78 fe:00:15 0 EOF\n");
	CU_ASSERT_EQUAL_FATAL(k.count, 5);
	CU_ASSERT_EQUAL(k.items[0].kind, LOCK_POSIX);
	CU_ASSERT_EQUAL(k.items[0].mode, MODE_WRITE);
	CU_ASSERT_EQUAL(k.items[0].pid, 3301);
	CU_ASSERT_EQUAL(k.items[0].dev, makedev(0xfe, 0x1a));
	CU_ASSERT_EQUAL(k.items[0].ino, 4711);
	CU_ASSERT_EQUAL(k.items[0].end, MODEL_TO_EOF);
	CU_ASSERT_EQUAL(k.items[1].kind, LOCK_OFD);
	CU_ASSERT_EQUAL(k.items[1].mode, MODE_READ);
	CU_ASSERT_EQUAL(k.items[1].pid, -1);
	CU_ASSERT_EQUAL(k.items[1].start, 10);
	CU_ASSERT_EQUAL(k.items[1].end, 14);
	CU_ASSERT_EQUAL(k.items[2].kind, LOCK_FLOCK);
	CU_ASSERT_EQUAL(k.items[3].kind, LOCK_LEASE);
	CU_ASSERT(!k.items[3].is_breaking && !k.items[3].is_delegation);
	CU_ASSERT_EQUAL(k.items[4].kind, LOCK_LEASE);
	CU_ASSERT(k.items[4].is_breaking && k.items[4].is_delegation);
	CU_ASSERT_EQUAL(k.contradictions, 0);
	kernel_locks_done(&k);
}

/* Who waits for a lease to be given up stands in a line without a file. */
static void finds_the_files_of_breakers(void)
{
	parse("1: LEASE  BREAKING  READ 10 fe:00:5 0 EOF\n"
	      "2: LEASE  BREAKING  UNLCK 11 fe:00:6 0 EOF\n"
	      "2: -> LEASE  BREAKER   WRITE 12 <none>:0 0 EOF\n"
	      "2:  -> LEASE  BREAKER   READ 13 <none>:0 0 EOF\n"
	      "3: LEASE  BREAKER   READ 14 <none>:0 0 EOF\n"
	      "4: POSIX  ADVISORY  WRITE 15 <none>:0 0 EOF\n");
	CU_ASSERT_EQUAL_FATAL(k.count, 4);
	CU_ASSERT_EQUAL(k.bad_lines, 2);
	CU_ASSERT_EQUAL(k.items[0].mode, MODE_WRITE); /* it may be kept for reading */
	CU_ASSERT_EQUAL(k.items[2].ino, 6);
	CU_ASSERT_EQUAL(k.items[2].mode, MODE_WRITE);
	CU_ASSERT_EQUAL(k.items[2].blocker, 1);
	CU_ASSERT_EQUAL(k.items[3].ino, 6);
	CU_ASSERT_EQUAL(k.items[3].blocker, 2);
	kernel_locks_done(&k);
}

static void follows_queues(void)
{
	parse("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 11 fe:00:5 0 9\n"
	      "1:  -> POSIX  ADVISORY  WRITE 12 fe:00:5 0 9\n"
	      "1: -> POSIX  ADVISORY  WRITE 13 fe:00:5 20 29\n"
	      "2: FLOCK  ADVISORY  WRITE 14 fe:00:6 0 EOF\n");
	CU_ASSERT_EQUAL_FATAL(k.count, 5);
	CU_ASSERT_EQUAL(k.items[0].blocker, MODEL_NONE);
	CU_ASSERT_EQUAL(k.items[1].blocker, 0);
	CU_ASSERT_EQUAL(k.items[2].blocker, 1);
	CU_ASSERT_EQUAL(k.items[3].blocker, 0);
	CU_ASSERT_EQUAL(k.items[4].blocker, MODEL_NONE);
	kernel_locks_done(&k);
}

static void survives_damage(void)
{
	parse("nonsense\n"
	      "1: POSIX  ADVISORY  WRITE 10\n"
	      "1: POSIX  ADVISORY  WRITE 10 fe:00 0 EOF\n"
	      "1: POSIX  ADVISORY  WRITE 10 fe:00:5 9 3\n"
	      "1: POSIX  ADVISORY  WRITE 10 <none>:0 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 11 fe:00:5 0 EOF\n"
	      "1: POSIX  ADVISORY  WRITE 10 fe:00:99999999999999999999999 0 EOF\n"
	      "2: POSIX  ADVISORY  WRI");
	CU_ASSERT_EQUAL(k.bad_lines, 7);
	CU_ASSERT_EQUAL_FATAL(k.count, 1);
	CU_ASSERT_EQUAL(k.items[0].blocker, MODEL_NONE); /* its hold was on a page that is gone */
	kernel_locks_done(&k);
	parse("");
	CU_ASSERT_EQUAL(k.count, 0);
	kernel_locks_done(&k);
}

/* A page of the file was read before the lock changed hands, the next one after it. */
static void finds_contradictions(void)
{
	parse("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "2: POSIX  ADVISORY  WRITE 11 fe:00:6 0 EOF\n"
	      "3: POSIX  ADVISORY  WRITE 12 fe:00:5 5 9\n");
	CU_ASSERT_EQUAL(k.contradictions, 1);
	CU_ASSERT(k.items[0].is_outdated);
	CU_ASSERT(!k.items[1].is_outdated);
	CU_ASSERT(!k.items[2].is_outdated);
	kernel_locks_done(&k);
}

/* The list grew while it was read: a whole tree came twice. */
static void drops_repeated_waiters(void)
{
	parse("1: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "1: -> POSIX  ADVISORY  WRITE 11 fe:00:5 0 EOF\n"
	      "1:  -> POSIX  ADVISORY  WRITE 12 fe:00:5 0 EOF\n"
	      "2: POSIX  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "2: -> POSIX  ADVISORY  WRITE 11 fe:00:5 0 EOF\n"
	      "2:  -> POSIX  ADVISORY  WRITE 12 fe:00:5 0 EOF\n");
	for (uint32_t i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(k.items[i].is_outdated, i < 3);
	kernel_locks_done(&k);
}

/* Others went while the file was read: a hold and its queue were printed twice. */
static void finds_repetitions(void)
{
	parse("1: FLOCK  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "1: -> FLOCK  ADVISORY  WRITE 11 fe:00:5 0 EOF\n"
	      "1: -> FLOCK  ADVISORY  WRITE 12 fe:00:5 0 EOF\n"
	      "2: POSIX  ADVISORY  WRITE 11 fe:00:6 0 EOF\n"
	      "3: FLOCK  ADVISORY  WRITE 10 fe:00:5 0 EOF\n"
	      "3: -> FLOCK  ADVISORY  WRITE 11 fe:00:5 0 EOF\n");
	CU_ASSERT_EQUAL(k.contradictions, 1);
	CU_ASSERT(k.items[0].is_outdated);
	CU_ASSERT(k.items[1].is_outdated);
	CU_ASSERT(
		!k.items[2].is_outdated); /* nowhere else: maybe on its way into the other queue */
	CU_ASSERT(!k.items[4].is_outdated);
	CU_ASSERT(!k.items[5].is_outdated);
	kernel_locks_done(&k);
}

static void lets_sharers_be(void)
{
	parse("1: POSIX  ADVISORY  READ 10 fe:00:5 0 EOF\n"
	      "2: POSIX  ADVISORY  READ 11 fe:00:5 0 EOF\n"
	      "3: FLOCK  ADVISORY  WRITE 12 fe:00:5 0 EOF\n"
	      "4: POSIX  ADVISORY  WRITE 10 fe:00:7 0 9\n"
	      "5: OFDLCK ADVISORY  WRITE -1 fe:00:7 10 19\n"
	      "6: POSIX  ADVISORY  WRITE 12 fe:01:5 0 EOF\n");
	CU_ASSERT_EQUAL(k.contradictions, 0);
	kernel_locks_done(&k);
}

static const struct unit_test tests[] = {
	{"reads every form of line", reads_every_form},
	{"finds the files of those who wait for a lease", finds_the_files_of_breakers},
	{"follows the queues", follows_queues},
	{"survives damaged lines", survives_damage},
	{"finds holds that cannot stand together", finds_contradictions},
	{"drops the waiters of an outdated hold too", drops_repeated_waiters},
	{"finds a hold and its queue printed twice", finds_repetitions},
	{"lets sharers and other kinds be", lets_sharers_be},
	{NULL, NULL},
};
const struct unit_suite unit_kernel_locks = {tests};
