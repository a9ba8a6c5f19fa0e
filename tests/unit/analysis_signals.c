/* The analysis of dispositions, on models made by hand: flags of one handler, children, SIGPIPE, exec. */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/unit/analysis_fixture.h"

/* --- one handler, different flags --------------------------------------------------------------- */

/* An installed handler, by a call in `place`. */
static struct model_handler *add_install(struct model *m, uint32_t process, uint32_t flags,
					 const char *place)
{
	uint32_t h = model_add_handler(m), s = model_add_stack(m), f = model_add_frame(m);
	struct model_handler *handler = &m->handlers.items[h];

	m->frames.items[f].pc = 0x4000 + f;
	m->frames.items[f].function = place;
	m->frames.items[f].file = "x.c";
	m->frames.items[f].line = 7;
	m->stacks.items[s].process = process;
	m->stacks.items[s].is_resolved = true;
	m->stacks.items[s].first_frame = f;
	m->stacks.items[s].frame_count = 1;
	handler->process = process;
	handler->signo = SIGHUP;
	handler->address = 0x1000;
	handler->function = "on_hup";
	handler->flags = flags;
	handler->installs = 1;
	handler->ways = WAY_SIGACTION;
	handler->stack = s;
	return handler;
}

static struct model *two_installs(void)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10);

	add_install(m, p, 0, "main");
	add_install(m, p, SA_RESTART, "reload")->is_current = true;
	m->handlers.items[1].ways = WAY_SIGNAL;
	return m;
}

static void flags_of_two_places(void)
{
	struct model *m = two_installs();

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(count_kind(m, FINDING_HANDLER_FLAGS), 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_STRING_EQUAL(f->headline,
			       "the handler on_hup() of SIGHUP is installed without SA_RESTART by "
			       "main() at x.c:7 and with SA_RESTART by reload() at x.c:7, in /bin/p10 "
			       "(pid 10)");
	CU_ASSERT_STRING_EQUAL(f->evidence,
			       "recorded: once the first way, by sigaction(), once the other, by "
			       "signal(); in force now: the other");
	CU_ASSERT_EQUAL(f->stack_count, 2);
	model_free(m);
}

/* How many findings of the kind `change` leaves of the two installs. */
static uint32_t found_after(void (*change)(struct model_handler *h, struct model *m))
{
	struct model *m = two_installs();
	uint32_t count;

	change(&m->handlers.items[1], m);
	analyse(m);
	count = count_kind(m, FINDING_HANDLER_FLAGS);
	model_free(m);
	return count;
}

static void other_signal(struct model_handler *h, struct model *m)
{
	(void)m;
	h->signo = SIGTERM;
}

static void other_function(struct model_handler *h, struct model *m)
{
	(void)m;
	h->address = 0x2000;
}

static void same_place(struct model_handler *h, struct model *m)
{
	h->stack = m->handlers.items[0].stack;
}

static void by_siginterrupt(struct model_handler *h, struct model *m)
{
	(void)m;
	h->ways = WAY_CHANGE;
}

static void harmless_flag(struct model_handler *h, struct model *m)
{
	(void)m;
	h->flags = SA_ONSTACK | SA_SIGINFO;
}

static void inherited(struct model_handler *h, struct model *m)
{
	(void)m;
	h->installs = 0;
}

static void without_a_stack(struct model_handler *h, struct model *m)
{
	(void)m;
	h->stack = MODEL_NONE;
}

static void in_another_process(struct model_handler *h, struct model *m)
{
	h->process = add_process(m, 11);
}

static void flags_that_are_meant(void)
{
	CU_ASSERT_EQUAL(found_after(other_signal), 0);
	CU_ASSERT_EQUAL(found_after(other_function), 0);
	CU_ASSERT_EQUAL(found_after(same_place), 0);
	CU_ASSERT_EQUAL(found_after(by_siginterrupt), 0);
	CU_ASSERT_EQUAL(found_after(harmless_flag), 0);
	CU_ASSERT_EQUAL(found_after(inherited), 0);
	CU_ASSERT_EQUAL(found_after(without_a_stack), 0);
	CU_ASSERT_EQUAL(found_after(in_another_process), 0);
}

static void flags_that_are_switched(void)
{
	struct model *m = two_installs();

	m->handlers.items[0].installs = m->handlers.items[1].installs = 4;
	m->handlers.items[0].flags = SA_RESETHAND;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline,
				      "with SA_RESETHAND by main() at x.c:7 and with SA_RESTART by"));
	model_free(m);
}

/* --- children that ended ------------------------------------------------------------------------ */

static void add_zombie(struct model *m, uint32_t parent, uint64_t ended_ns)
{
	uint32_t z = model_add_zombie(m);

	m->zombies.items[z].parent = parent;
	m->zombies.items[z].pid = 100 + (pid_t)z;
	m->zombies.items[z].name = "child";
	m->zombies.items[z].ended_ns = ended_ns;
}

/* A parent that catches SIGCHLD and left two children, 60 and 10 seconds ago. */
static struct model *parent_of_two(void)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), s = model_add_signals(m);

	m->signals.items[s].process = p;
	m->signals.items[s].caught = UINT64_C(1) << (SIGCHLD - 1);
	m->threads.items[p].syscall = SYS_read;
	add_zombie(m, p, 90 * SECOND);
	add_zombie(m, p, 40 * SECOND);
	CU_ASSERT_PTR_NULL(model_check(m));
	return m;
}

static void children_that_are_left(void)
{
	struct model *m = parent_of_two();

	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_UNREAPED_CHILDREN);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_STRING_EQUAL(f->headline, "/bin/p10 (pid 10) has 2 children that ended and that "
					    "nobody waited for, the first 60.0s ago");
	CU_ASSERT_STRING_EQUAL(f->evidence,
			       "observed: child (pid 100), child (pid 101); it catches SIGCHLD, "
			       "and none of its threads is in wait()");
	model_free(m);
}

static void children_of_who_does_not_care(void)
{
	struct model *m = parent_of_two();

	m->signals.items[0].caught = 0;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
	model_free(m);
	m = parent_of_two();
	m->signals.items[0].caught = 0;
	for (int i = 0; i < 6; i++)
		add_zombie(m, 0, SECOND);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_WARNING);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].evidence, "and 4 more; it leaves"));
	model_free(m);
}

static void children_that_will_be_reaped(void)
{
	static const struct {
		long syscall;
		char state;
		bool is_ignored, has_no_wait, is_fresh, is_untimed;
	} parents[] = {
		{.syscall = SYS_wait4},
		{.syscall = SYS_waitid},
		{.syscall = SYS_read, .state = 'T'},
		{.syscall = SYS_read, .is_ignored = true},
		{.syscall = SYS_read, .has_no_wait = true},
		{.syscall = SYS_read, .is_fresh = true},
		{.syscall = SYS_read, .is_untimed = true},
	};

	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		struct model *m = parent_of_two();

		m->threads.items[0].syscall = parents[i].syscall;
		if (parents[i].state)
			m->threads.items[0].task_state = parents[i].state;
		if (parents[i].is_ignored)
			m->signals.items[0].ignored = UINT64_C(1) << (SIGCHLD - 1);
		if (parents[i].has_no_wait) {
			add_install(m, 0, SA_NOCLDWAIT, "main")->is_current = true;
			m->handlers.items[0].signo = SIGCHLD;
		}
		for (uint32_t z = 0; z < m->zombies.count; z++) {
			if (parents[i].is_fresh)
				m->zombies.items[z].ended_ns = m->now_ns - SECOND;
			if (parents[i].is_untimed)
				m->zombies.items[z].ended_ns = 0;
		}
		analyse(m);
		CU_ASSERT_EQUAL(m->findings.count, 0);
		model_free(m);
	}
}

/* --- SIGPIPE ------------------------------------------------------------------------------------ */

static enum severity only_severity(struct model *m, enum finding_kind kind)
{
	analyse(m);
	CU_ASSERT_EQUAL(count_kind(m, kind), m->findings.count);
	enum severity s = m->findings.count == 1 ? m->findings.items[0].severity
						 : (enum severity)-1;

	model_free(m);
	return s;
}

#define NO_FINDING ((enum severity)-1)

static struct model *killed_process(int signo)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10);

	m->processes.items[p].state = PROCESS_KILLED;
	m->processes.items[p].killed_by = signo;
	return m;
}

static void servers_that_sigpipe_ended(void)
{
	struct model *m = killed_process(SIGPIPE);

	m->processes.items[0].listens = 1;
	CU_ASSERT_EQUAL(only_severity(m, FINDING_SIGPIPE_DEFAULT), SEVERITY_WARNING);
	CU_ASSERT_EQUAL(only_severity(killed_process(SIGPIPE), FINDING_SIGPIPE_DEFAULT), NO_FINDING);
	m = killed_process(SIGKILL);
	m->processes.items[0].listens = 1;
	CU_ASSERT_EQUAL(only_severity(m, FINDING_SIGPIPE_DEFAULT), NO_FINDING);
}

static struct model *server(uint32_t accepted, bool shares_listener)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), s = model_add_signals(m);

	m->signals.items[s].process = p;
	m->signals.items[s].accepted = accepted;
	m->signals.items[s].shares_listener = shares_listener;
	return m;
}

static void servers_that_sigpipe_would_end(void)
{
	CU_ASSERT_EQUAL(only_severity(server(1, false), FINDING_SIGPIPE_DEFAULT), SEVERITY_NOTE);
	CU_ASSERT_EQUAL(only_severity(server(2, true), FINDING_SIGPIPE_DEFAULT), SEVERITY_NOTE);
	CU_ASSERT_EQUAL(only_severity(server(1, true), FINDING_SIGPIPE_DEFAULT), NO_FINDING);
	CU_ASSERT_EQUAL(only_severity(server(0, false), FINDING_SIGPIPE_DEFAULT), NO_FINDING);
}

/* --- what execve() takes away and keeps --------------------------------------------------------- */

#define BIT(signo) (UINT64_C(1) << ((signo) - 1))

static void handlers_that_exec_took(void)
{
	struct model *m = killed_process(SIGHUP);

	m->processes.items[0].caught_before = BIT(SIGHUP);
	CU_ASSERT_EQUAL(only_severity(m, FINDING_LOST_BY_EXEC), SEVERITY_WARNING);
	m = killed_process(SIGHUP);
	m->processes.items[0].caught_before = BIT(SIGTERM);
	CU_ASSERT_EQUAL(only_severity(m, FINDING_LOST_BY_EXEC), NO_FINDING);
	m = killed_process(SIGHUP); /* it installed one, and took it away again */
	m->processes.items[0].caught_before = BIT(SIGHUP);
	add_install(m, 0, 0, "main");
	CU_ASSERT_EQUAL(only_severity(m, FINDING_LOST_BY_EXEC), NO_FINDING);
}

/* SIGTERM and SIGHUP, kept by execve() in one way or the other. */
static struct model *executed(uint64_t blocked, uint64_t ignored)
{
	struct model *m = server(0, false);

	m->processes.items[0].knows_start = true;
	m->processes.items[0].blocked_at_start = blocked;
	m->processes.items[0].ignored_at_start = ignored;
	m->signals.items[0].ignored = ignored;
	return m;
}

/* They are pending, and nobody can take them: a finding of its own. */
static void hold_back(struct model *m, uint64_t signals)
{
	m->processes.items[0].held_back = (struct model_held_back){
		.signals = signals, .looks = 100, .since_ns = SECOND, .last_ns = 9 * SECOND};
}

static void signals_that_exec_kept(void)
{
	struct model *m = executed(BIT(SIGTERM), 0);

	hold_back(m, BIT(SIGTERM) | BIT(SIGHUP));
	analyse(m);
	CU_ASSERT_EQUAL(count_kind(m, FINDING_SIGNAL_BLOCKED), 1);
	CU_ASSERT_EQUAL(count_kind(m, FINDING_LOST_BY_EXEC), 1);
	model_free(m);
	m = executed(BIT(SIGTERM), 0);
	hold_back(m, BIT(SIGHUP));
	CU_ASSERT_EQUAL(only_severity(m, FINDING_SIGNAL_BLOCKED), SEVERITY_WARNING);
	CU_ASSERT_EQUAL(only_severity(executed(0, BIT(SIGTERM)), FINDING_LOST_BY_EXEC),
			SEVERITY_NOTE);
	CU_ASSERT_EQUAL(only_severity(executed(0, BIT(SIGHUP)), FINDING_LOST_BY_EXEC), NO_FINDING);
	m = executed(0, BIT(SIGTERM));
	m->processes.items[0].knows_start = false;
	CU_ASSERT_EQUAL(only_severity(m, FINDING_LOST_BY_EXEC), NO_FINDING);
}

static const struct unit_test tests[] = {
	{"one handler installed with different flags in two places", flags_of_two_places},
	{"flags that differ on purpose, or do not matter, are none", flags_that_are_meant},
	{"flags that are switched to and fro are a note", flags_that_are_switched},
	{"children that are left unreaped", children_that_are_left},
	{"children of who leaves SIGCHLD alone, few and many", children_of_who_does_not_care},
	{"children that ended just now, or need nobody, are none", children_that_will_be_reaped},
	{"servers that SIGPIPE ended", servers_that_sigpipe_ended},
	{"servers that SIGPIPE would end, and children that serve one", servers_that_sigpipe_would_end},
	{"handlers that exec took away", handlers_that_exec_took},
	{"signals that exec kept blocked or ignored", signals_that_exec_kept},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_signals = {tests};
