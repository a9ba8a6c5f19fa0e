/* What threads wait for, of recorded trees: no memory of processes, no sockets. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/collector.h"
#include "tests/unit/unit.h"

static struct collector *open_tree(pid_t pid)
{
	static char path[4096];
	const char *source = getenv("LOCKJAM_TEST_SRCDIR");
	const struct collect_target target = {.pid = pid};
	struct collect_options options = {
		.proc_root = path, .targets = &target, .target_count = 1, .want_waits = true};
	struct collect_error error;
	struct collector *c = NULL;

	snprintf(path, sizeof(path), "%s/tests/fixtures/proc-waits", source ? source : ".");
	CU_ASSERT_EQUAL(collector_open(&options, &c, &error), 0);
	if (c)
		CU_ASSERT_PTR_NULL(model_check(collector_model(c)));
	return c;
}

/* "PID KIND OBJECT -> PID PID, PID ? UNSEEN\n" for each wait. */
static const char *shown(struct collector *c)
{
	static char text[8192];
	const struct model *m = collector_model(c);
	FILE *out = fmemopen(text, sizeof(text), "w");

	text[0] = 0;
	for (uint32_t i = 0; i < m->waits.count; i++) {
		const struct model_wait *w = &m->waits.items[i];

		fprintf(out, "%d %s: %s", m->processes.items[w->process].pid,
			wait_kind_name(w->kind), w->object);
		for (uint32_t n = 0; n < w->need_count; n++) {
			const struct model_need *need = &m->needs.items[w->first_need + n];

			fputs(n ? "," : " ->", out);
			for (uint32_t k = 0; k < need->way_count; k++)
				fprintf(out, " %d",
					m->processes
						.items[m->ways.items[need->first_way + k].process]
						.pid);
		}
		fprintf(out, "%s%s\n", w->unseen ? " ? " : "", w->unseen ? w->unseen : "");
	}
	fclose(out);
	return text;
}

static void check(pid_t pid, const char *wanted)
{
	struct collector *c = open_tree(pid);

	if (c)
		CU_ASSERT_STRING_EQUAL(shown(c), wanted);
	collector_close(c);
}

/* 109 is gone. */
static void all_kinds_of_states(void)
{
	check(100,
	      "100 child: one of its 3 children -> 101 102 103\n"
	      "101 stopped: SIGCONT -> ? any process may send it; its parent is [parent] (pid "
	      "100)\n"
	      "102 traced: its tracer [debugger] (pid 105) -> 105\n"
	      "103 disk: a device or file server, in read() on /srv/data (in the kernel's "
	      "nfs_wait_bit_killable) -> ? the kernel waits for it\n"
	      "105 child: a child -> ? no such child is to be seen: it may wait for a process that "
	      "it traces\n");
}

static void numbers_of_another_namespace(void)
{
	check(106, "106 child: the child [two] (pid 108) -> 108\n"
		   "108 sleep: time to pass\n");
}

/* The other reader of the first pipe has nothing to do with it. */
static void pipes(void)
{
	check(120, "120 pipe: input of pipe:[77] -> 121\n"
		   "121 pipe: room in pipe:[79] -> 122\n"
		   "122 sleep: time to pass\n");
}

static void what_is_not_understood(void)
{
	check(110, "110 unknown: the end of a system call ? the calls of 32-bit programs are not "
		   "understood\n");
	check(111, "111 unknown: the end of system call 999() ? what could end it is not known\n");
	check(112, "");
	check(113, "");
}

static const struct unit_test tests[] = {
	{"stopped, traced, on a disk, and their parent", all_kinds_of_states},
	{"a child by its number in another pid namespace", numbers_of_another_namespace},
	{"who has the other end of a pipe, by the access mode", pipes},
	{"garbage and strange calls are no wait, or an unknown one", what_is_not_understood},
	{NULL, NULL},
};

const struct unit_suite unit_waits = {tests};
