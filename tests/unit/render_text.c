/* The text form, byte for byte: others read it with scripts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "tests/unit/render_fixture.h"
#include "tests/unit/unit.h"

/* Shows what was printed where it is not what was expected. */
static void check_output(char *text, const char *expected)
{
	CU_ASSERT_STRING_EQUAL(text, expected);
	if (strcmp(text, expected))
		fprintf(stderr, "--- printed:\n%s--- expected:\n%s", text, expected);
	free(text);
}

static void graph_of_the_case(void)
{
	struct model *m = fixture_case();

	CU_ASSERT_PTR_NULL(model_check(m));
	check_output(fixture_render(m, "text", FIXTURE_GRAPH),
"DEADLOCK in the heap: malloc was called in the handler of SIGALRM, which had interrupted malloc\n"
"/usr/cyrus/bin/imapd (pid 3301) holding WRITE lock for /datastore/imap-mails/user/projects/cyrus.index\n"
"    POSIX, bytes 0-99, for 1m00s (since 2015-03-01 11:59:00)\n"
"    taken in lock_index at index.c:31\n"
"    as recorded: the process has ended, and the lock with it\n"
"  /usr/cyrus/bin/imapd (pid 21130) ++WAITING++ for WRITE lock on /datastore/imap-mails/user/projects/cyrus.index\n"
"      POSIX, whole file\n"
"  /usr/cyrus/bin/imapd (pid 20536) ++WAITING++ for WRITE lock on /datastore/imap-mails/user/projects/cyrus.index\n"
"      POSIX, whole file, for 4.5s (since 2015-03-01 11:59:55)\n"
"      polling, 37 tries in 4.2s\n"
"\n"
"Backtrace of process 3301:\n"
" #0 0x00000000b735af91 in __lll_lock_wait_private () from /lib/libc.so.6\n"
" #1 0x00000000b72c66f0 in malloc () from /lib/libc.so.6\n"
" #2 0x00000000080b7557 in xzmalloc (size=32) at xmalloc.c:68\n"
" #3 index_tellchanges (state=0x9421ca8, canexpunge=1) at index.c:2370\n"
" #4 0x000000000809abc5 in idle_handler (sig=14) at idle.c:197\n"
" #5 <signal handler called>\n"
" #6 0x00000000b72c66fa in malloc () from /lib/libc.so.6\n"
"\n"
"Lock for /datastore/imap-mails/user/projects/cyrus.index taken by process 3301:\n"
" #0 0x00000000b735af91 in fcntl64 () from /lib/libc.so.6\n"
" #1 0x0000000008060001 in lock_index (index=0x1) at index.c:31\n");
	model_free(m);
}

static void an_empty_model(void)
{
	struct model *m = model_new();

	check_output(fixture_render(m, "text", FIXTURE_GRAPH), "No file locks are held or waited for.\n");
	check_output(fixture_render(m, "text", FIXTURE_SIGNALS), "No handlers of signals were recorded.\n");
	uint32_t detached = model_add_process(m);

	m->processes.items[detached].state = PROCESS_DETACHED;
	check_output(fixture_render(m, "text", FIXTURE_GRAPH),
		     "The recording has ended: which file locks are held now is not in it.\n");
	model_free(m);
}

static void odd_names(void)
{
	struct model *m = model_new();
	uint32_t file = fixture_file(m, 77, "/tmp/a\nb\\c\x1b[31m\xff\xc3\xa4");
	uint32_t nameless = fixture_file(m, 78, "");

	fixture_lock(m, LOCK_HELD, fixture_process(m, 5, "/bin/x\ty"), file);
	m->locks.items[0].kind = LOCK_FLOCK;
	m->locks.items[0].mode = MODE_READ;
	fixture_lock(m, LOCK_HELD, MODEL_NONE, nameless);
	m->locks.items[1].kind = LOCK_OFD;
	m->locks.items[1].start = 7;
	model_note(m, "one");
	model_note(m, "one");
	check_output(fixture_render(m, "text", FIXTURE_GRAPH),
"? (pid -1) holding WRITE lock for 08:01:78\n"
"    OFD, bytes 7 to the end\n"
"    who it is could not be found: the descriptors of some processes cannot be read\n"
"/bin/x\\ty (pid 5) holding READ lock for /tmp/a\\nb\\\\c\\033[31m\\377\xc3\xa4\n"
"    flock, whole file\n"
"\n"
"Note: one (2 times)\n");
	model_free(m);
}

static void a_queue(void)
{
	struct model *m = model_new();
	uint32_t file = fixture_file(m, 77, "/f");
	uint32_t hold = fixture_lock(m, LOCK_HELD, fixture_process(m, 5, "/h"), file);
	uint32_t wait = fixture_wait(m, fixture_process(m, 6, "/w"), file, hold);

	fixture_wait(m, fixture_process(m, 7, "/q"), file, wait);
	m->resources.items[file].is_deleted = true;
	check_output(fixture_render(m, "text", FIXTURE_GRAPH),
		     "/h (pid 5) holding WRITE lock for /f (deleted)\n"
		     "    POSIX, whole file\n"
		     "  /w (pid 6) ++WAITING++ for WRITE lock on /f (deleted)\n"
		     "      POSIX, whole file\n"
		     "  /q (pid 7) ++WAITING++ for WRITE lock on /f (deleted)\n"
		     "      POSIX, whole file\n"
		     "      queued behind the waiter /w (pid 6)\n");
	model_free(m);
}

static void a_wait_for_nobody_known(void)
{
	struct model *m = model_new();

	fixture_lock(m, LOCK_WAITING, fixture_process(m, 6, "/w"), fixture_file(m, 77, "/f"));
	check_output(fixture_render(m, "text", FIXTURE_GRAPH),
		     "/w (pid 6) ++WAITING++ for WRITE lock on /f\n"
		     "    POSIX, whole file\n"
		     "    whose lock it waits for is not known\n");
	model_free(m);
}

static void signals_of_the_case(void)
{
	struct model *m = fixture_case();

	check_output(fixture_render(m, "text", FIXTURE_SIGNALS),
		     "SIGALRM idle_handler at idle.c:190, /usr/cyrus/bin/imapd (pid 3301)\n"
		     "    flags SA_RESTART, mask none\n"
		     "    3 deliveries (0 by user, 3 by timer, 0 by kernel), 4us in all, longest 2us\n"
		     "    called malloc 2 times, 2 of them inside the interrupted allocator\n");
	model_free(m);
}

/* In the order in which one asks. */
static void report_of_the_case(void)
{
	static const char *const parts[] = {
		"== What is wrong ==\n1 error, no warnings, no notes\n",
		"\n1. DEADLOCK in the heap [deadlock-heap, error]\n",
		"   once, at 2015-03-01 11:59:50\n",
		"   how we know: the thread is seen in that call\n",
		"   what to do: ",
		"   called in the handler of SIGALRM:\n    #0 0x",
		"== Who waits for whom ==\n",
		" holding WRITE lock for ",
		"== Where the holders are ==\n",
		"== Processes ==\n2 live, 1 killed\n",
	};
	struct model *m = fixture_case();
	char *text = fixture_render(m, "text", FIXTURE_REPORT);
	const char *at = text;

	for (size_t i = 0; at && i < sizeof(parts) / sizeof(parts[0]); i++) {
		at = strstr(at, parts[i]);
		CU_ASSERT_PTR_NOT_NULL(at);
		if (!at)
			fprintf(stderr, "# missing or out of order: %s\n%s", parts[i], text);
	}
	free(text);
	model_free(m);
}

/* 2,000 dead processes are counted, not listed. */
static void report_of_many(void)
{
	struct model *m = model_new();
	uint32_t file = fixture_file(m, 1, "/f");
	unsigned lines = 0;
	char *text;

	for (int i = 0; i < 2000; i++) {
		uint32_t process = fixture_process(m, 1000 + i, i % 2 ? "/bin/a" : "/bin/b");

		m->processes.items[process].state = i % 3 ? PROCESS_KILLED : PROCESS_EXITED;
		fixture_lock(m, LOCK_HELD, process, file);
		m->locks.items[i].mode = MODE_READ;
	}
	text = fixture_render(m, "text", FIXTURE_REPORT);
	for (const char *s = text; *s; s++)
		lines += *s == '\n';
	CU_ASSERT(lines < 120);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "667 exited, 1333 killed\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n  1000 /bin/a: "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "and 1980 more locks that nobody waits for"));
	free(text);
	model_free(m);
}

static void pieces(void)
{
	char b[TEXT_SIZE];

	CU_ASSERT_STRING_EQUAL(text_duration(b, 850), "850ns");
	CU_ASSERT_STRING_EQUAL(text_duration(b, 12345), "12us");
	CU_ASSERT_STRING_EQUAL(text_duration(b, 250000000), "250ms");
	CU_ASSERT_STRING_EQUAL(text_duration(b, 4290000000), "4.2s");
	CU_ASSERT_STRING_EQUAL(text_duration(b, UINT64_C(303000000000)), "5m03s");
	CU_ASSERT_STRING_EQUAL(text_duration(b, UINT64_C(7500000000000)), "2h05m");
	CU_ASSERT_STRING_EQUAL(text_range(b, 5, 5), "byte 5");
	CU_ASSERT_STRING_EQUAL(text_signal(b, 34), "SIGRTMIN+0");
	CU_ASSERT_EQUAL(text_utf8_length("\xed\xa0\x80"), 0); /* a surrogate */
	CU_ASSERT_EQUAL(text_utf8_length("\xc0\x80"), 0);     /* over-long */
	CU_ASSERT_EQUAL(text_utf8_length("\xf0\x9f\x94\x92"), 4);
}

static const struct unit_test tests[] = {
	{ "the graph of the first case, byte for byte", graph_of_the_case },
	{ "nothing to show is said", an_empty_model },
	{ "control characters and bytes that are no UTF-8 are escaped", odd_names },
	{ "a queue behind a waiter stands in the same column and says so", a_queue },
	{ "a wait whose holder is not known says so", a_wait_for_nobody_known },
	{ "signals: the handler, its flags, what it called", signals_of_the_case },
	{ "the report's parts stand in their order", report_of_the_case },
	{ "a report of 2,000 dead processes is short", report_of_many },
	{ "durations, ranges, signals, UTF-8", pieces },
	{ NULL, NULL },
};
const struct unit_suite unit_render_text = { tests };
