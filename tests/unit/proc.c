/* /proc behind its prefix: recorded trees of a good system, and of ones in trouble. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/collector.h"
#include "collector/model/graph.h"
#include "collector/proc/proc.h"
#include "tests/unit/unit.h"

static struct collect_error error;

static const char *tree(const char *name)
{
	static char path[4096];
	const char *source = getenv("LOCKJAM_TEST_SRCDIR");

	snprintf(path, sizeof(path), "%s/tests/fixtures/%s", source ? source : ".", name);
	return path;
}

static struct collector *open_tree(const char *name, const struct collect_target *target)
{
	struct collect_options options = {
		.proc_root = tree(name), .targets = target, .target_count = target != NULL};
	struct collector *c = NULL;

	CU_ASSERT_EQUAL(collector_open(&options, &c, &error), 0);
	if (c)
		CU_ASSERT_PTR_NULL(model_check(collector_model(c)));
	return c;
}

/* "DEPTH NAME PID PATH\n" for each line of the graph; an asterisk for deduced owners. */
static const char *shown(struct collector *c)
{
	static char text[4096];
	const struct model *m = collector_model(c);
	struct graph g;
	size_t used = 0;

	text[0] = 0;
	CU_ASSERT_EQUAL_FATAL(graph_build(m, &g), 0);
	for (uint32_t i = 0; i < g.count; i++) {
		const struct model_lock *l = &m->locks.items[g.nodes[i].lock];
		const struct model_process *p =
			l->process == MODEL_NONE ? NULL : &m->processes.items[l->process];

		used += snprintf(text + used, sizeof(text) - used, "%u %s %d %s%s\n",
				 g.nodes[i].depth, p ? p->name : "?", p ? p->pid : 0,
				 m->resources.items[l->resource].path,
				 l->evidence == EVIDENCE_INFERRED ? " *" : "");
	}
	graph_done(&g);
	return text;
}

#define INDEX "/datastore/imap-mails/user/projects/cyrus.index"

static void a_good_tree(void)
{
	struct collector *c = open_tree("proc-good", NULL);
	const struct model *m = collector_model(c);

	CU_ASSERT_STRING_EQUAL(shown(c), "0 /usr/cyrus/bin/imapd 3301 " INDEX "\n"
					 "1 /usr/cyrus/bin/imapd 21130 " INDEX "\n"
					 "2 /usr/cyrus/bin/imapd 20536 " INDEX "\n"
					 "0 /usr/sbin/tdbd 500 /var/lib/x.tdb *\n"
					 "1 /usr/bin/tdbtool 501 /var/lib/x.tdb *\n"
					 "0 [nfsd] 77 \n"
					 "0 /usr/cyrus/bin/imapd 3301 /datastore/leased\n"
					 "0 /usr/bin/heir 901 /run/heir.lock *\n");
	uint32_t thread = model_find_thread(m, model_find_process(m, 3301, 0), 3301);
	CU_ASSERT_FATAL(thread != MODEL_NONE);
	CU_ASSERT_EQUAL(m->threads.items[thread].syscall, 202);
	CU_ASSERT_EQUAL(m->threads.items[thread].task_state, 'S');
	CU_ASSERT_EQUAL(m->threads.items[thread].pc, 0x7f3a1b2c3d4e);
	CU_ASSERT_EQUAL(m->notes.count, 0);
	collector_close(c);
}

static uint32_t count_findings(const struct model *m, enum finding_kind kind)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->findings.count; i++)
		count += m->findings.items[i].kind == kind;
	return count;
}

/* Each has the flock that the other waits for, and nobody else has either. */
static void flocks_taken_crosswise(void)
{
	struct collector *c = open_tree("proc-crossed", NULL);
	const struct model *m = collector_model(c);

	CU_ASSERT_STRING_EQUAL(shown(c), "0 /bin/ten 10 /locks/a\n"
					 "1 /bin/twenty 20 /locks/a\n"
					 "0 /bin/twenty 20 /locks/b\n"
					 "1 /bin/ten 10 /locks/b\n");
	CU_ASSERT_EQUAL(count_findings(m, FINDING_DEADLOCK_CYCLE), 1);
	collector_close(c);
}

/* The innocent twin: a third process shares one of the descriptions, and could unlock it. */
static void flocks_that_a_third_shares(void)
{
	struct collector *c = open_tree("proc-crossed-shared", NULL);
	const struct model *m = collector_model(c);
	uint32_t hold = 0;

	while (hold < m->locks.count && (m->locks.items[hold].state != LOCK_HELD ||
					 m->locks.items[hold].next_copy == MODEL_NONE))
		hold++;
	CU_ASSERT_FATAL(hold < m->locks.count);
	const struct model_lock *copy = &m->locks.items[m->locks.items[hold].next_copy];

	CU_ASSERT_EQUAL(m->processes.items[m->locks.items[hold].process].pid, 10);
	CU_ASSERT_EQUAL(m->processes.items[copy->process].pid, 30);
	CU_ASSERT_EQUAL(copy->next_copy, MODEL_NONE);
	CU_ASSERT_EQUAL(count_findings(m, FINDING_DEADLOCK_CYCLE), 0);
	collector_close(c);
}

static void targets_choose(void)
{
	struct collect_target pid = {.pid = 20536}, name = {.name = "tdbtool"},
			      path = {.name = "/run/heir.lock"}, unlocked = {.name = "/etc/motd"};
	struct collector *c = open_tree("proc-good", &pid);

	CU_ASSERT_STRING_EQUAL(shown(c), "0 /usr/cyrus/bin/imapd 3301 " INDEX "\n"
					 "1 /usr/cyrus/bin/imapd 21130 " INDEX "\n"
					 "2 /usr/cyrus/bin/imapd 20536 " INDEX "\n");
	collector_close(c);
	c = open_tree("proc-good", &name);
	CU_ASSERT_STRING_EQUAL(shown(c), "0 /usr/sbin/tdbd 500 /var/lib/x.tdb *\n"
					 "1 /usr/bin/tdbtool 501 /var/lib/x.tdb *\n");
	collector_close(c);
	c = open_tree("proc-good", &path);
	CU_ASSERT_STRING_EQUAL(shown(c), "0 /usr/bin/heir 901 /run/heir.lock *\n");
	collector_close(c);
	c = open_tree("proc-good", &unlocked);
	CU_ASSERT_STRING_EQUAL(shown(c), "");
	CU_ASSERT_EQUAL(collector_model(c)->notes.count, 1);
	collector_close(c);
}

static void missing_targets_are_told(void)
{
	struct collect_target pid = {.pid = 12345}, name = {.name = "nobody"};
	struct collect_options options = {
		.proc_root = tree("proc-good"), .targets = &pid, .target_count = 1};
	struct collector *c;

	CU_ASSERT_EQUAL(collector_open(&options, &c, &error), -ENOENT);
	CU_ASSERT_STRING_EQUAL(error.object, "12345");
	CU_ASSERT_STRING_EQUAL(error.cause, "no such process");
	options.targets = &name;
	CU_ASSERT_EQUAL(collector_open(&options, &c, &error), -ENOENT);
	CU_ASSERT_STRING_EQUAL(error.object, "nobody");
}

static void the_vanished_hold_nothing(void)
{
	struct collector *c = open_tree("proc-vanished", NULL);

	/* The taker of the flock is gone and nobody has it; of the OFD lock nothing
	 * else is known. */
	CU_ASSERT_STRING_EQUAL(shown(c), "0 /bin/waits 11 \n0 ? 0 \n0 ? 0 \n");
	CU_ASSERT_EQUAL(collector_model(c)->notes.count, 1);
	collector_close(c);
}

static void truncated_files(void)
{
	struct collector *c = open_tree("proc-truncated", NULL);

	CU_ASSERT_STRING_EQUAL(shown(c), "0 /bin/holder 10 \n1 /bin/waiter 11 \n");
	CU_ASSERT_EQUAL_FATAL(collector_model(c)->notes.count, 1);
	CU_ASSERT_STRING_EQUAL(collector_model(c)->notes.items[0].text,
			       "1 lines of /proc/locks could not be understood");
	collector_close(c);
}

static void hostile_files(void)
{
	struct collector *c = open_tree("proc-hostile", NULL);

	CU_ASSERT(shown(c)[0] != 0);
	collector_close(c);
}

static void no_proc_at_all(void)
{
	struct collector *c = open_tree("proc-none", NULL);

	CU_ASSERT_STRING_EQUAL(shown(c), "");
	CU_ASSERT_EQUAL_FATAL(collector_model(c)->notes.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(collector_model(c)->notes.items[0].text, "/proc/locks"));
	collector_close(c);
}

static void stat_with_a_nasty_name(void)
{
	struct proc *p = proc_new(tree("proc-hostile"));
	struct proc_stat st;

	CU_ASSERT(proc_is_recorded(p));
	CU_ASSERT_EQUAL(proc_read_stat(p, 11, &st), 0);
	CU_ASSERT_STRING_EQUAL(st.comm, ") S 1 (evil) R");
	CU_ASSERT_EQUAL(st.state, 'S');
	CU_ASSERT_EQUAL(st.start_time, 8150);
	CU_ASSERT_EQUAL(proc_read_stat(p, 12, &st), -ENOENT);
	proc_free(p);
}

static void this_process(void)
{
	struct proc *p = proc_new("/");
	struct proc_stat st;
	uid_t uid;
	int *ids;

	CU_ASSERT(!proc_is_recorded(p));
	CU_ASSERT_EQUAL(proc_read_stat(p, getpid(), &st), 0);
	CU_ASSERT_EQUAL(st.pid, getpid());
	CU_ASSERT_EQUAL(st.ppid, getppid());
	CU_ASSERT_EQUAL(proc_read_uid(p, getpid(), &uid), 0);
	CU_ASSERT_EQUAL(uid, geteuid());
	ssize_t count = proc_list(p, &ids, "%d/task", getpid());
	CU_ASSERT(count >= 1);
	CU_ASSERT_EQUAL(ids[0], getpid());
	free(ids);
	int value = 4711, copy = 0;
	CU_ASSERT_EQUAL(proc_read_memory(p, getpid(), (uintptr_t)&value, &copy, sizeof(copy)),
			(ssize_t)sizeof(copy));
	CU_ASSERT_EQUAL(copy, 4711);
	proc_free(p);
}

static const struct unit_test tests[] = {
	{"a good tree", a_good_tree},
	{"flocks taken crosswise are a deadlock", flocks_taken_crosswise},
	{"unless a third process shares one of them", flocks_that_a_third_shares},
	{"targets choose", targets_choose},
	{"targets that are not there are told", missing_targets_are_told},
	{"who vanished holds nothing", the_vanished_hold_nothing},
	{"files cut short", truncated_files},
	{"hostile files", hostile_files},
	{"no /proc at all", no_proc_at_all},
	{"a process with a nasty name", stat_with_a_nasty_name},
	{"this process", this_process},
	{NULL, NULL},
};
const struct unit_suite unit_proc = {tests};
