/* The analysis, on models made by hand: calls in handlers, errno, equal processes, the order. */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/model/findings.h"
#include "tests/unit/analysis_fixture.h"

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

/* --- equal processes -------------------------------------------------------------------------- */

#define SERVERS 2000

/* A process whose handler called printf() twice and changed errno three times. */
static void add_server(struct model *m, pid_t pid, const char *exe, const char *function)
{
	uint32_t p = add_process(m, pid), h = add_handler(m, p, function);

	m->processes.items[p].exe = exe;
	m->handlers.items[h].address += UINT64_C(0x7f0000000000) + p * 4096; /* ASLR */
	m->handlers.items[h].module = exe;
	m->handlers.items[h].offset = 0x1000;
	m->handlers.items[h].errno_clobbered = 3;
	add_call(m, p, h, "printf")->stack = model_add_stack(m);
}

static void equal_processes_are_one_finding(void)
{
	struct model *m = live_model();

	for (uint32_t i = 0; i < SERVERS; i++)
		add_server(m, 1000 + (pid_t)i, "/bin/server", "on_alarm");
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 2);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_UNSAFE_CALL);
	CU_ASSERT_EQUAL(f->process_count, SERVERS);
	CU_ASSERT_EQUAL(f->count, 2 * SERVERS);
	CU_ASSERT_EQUAL(f->stack_count, 1);
	for (uint32_t i = 0; i < FINDING_PIDS; i++)
		CU_ASSERT_EQUAL(f->processes[i], i);
	CU_ASSERT_STRING_EQUAL(f->headline,
			       "printf() was called in the handler on_alarm() of SIGALRM in "
			       "/bin/p1000 (pid 1000) and 1999 more processes");
	CU_ASSERT_EQUAL(m->findings.items[1].kind, FINDING_ERRNO_CLOBBERED);
	CU_ASSERT_EQUAL(m->findings.items[1].process_count, SERVERS);
	CU_ASSERT_EQUAL(m->findings.items[1].count, 3 * SERVERS);
	CU_ASSERT_PTR_NULL(model_check(m));
	model_free(m);
}

/* How many findings of calls two processes have together, the second of which differs in `what`. */
static uint32_t calls_of_two(const char *what)
{
	struct model *m = live_model();

	add_server(m, 10, "/bin/a", "on_alarm");
	add_server(m, 11, !strcmp(what, "program") ? "/bin/b" : "/bin/a", "on_alarm");
	struct model_handler *h = &m->handlers.items[1];

	m->handlers.items[0].file = "a.c";
	h->file = !strcmp(what, "file") ? "b.c" : "a.c";
	if (!strcmp(what, "handler"))
		h->function = "on_hup";
	if (!strcmp(what, "function"))
		m->calls.items[1].function = "puts";
	if (!strcmp(what, "signal"))
		m->calls.items[1].signo = 15;
	for (uint32_t i = 0; !strncmp(what, "nameless", 8) && i < 2; i++)
		m->handlers.items[i].function = m->handlers.items[i].file = NULL;
	if (!strcmp(what, "nameless, elsewhere"))
		h->offset = 0x2000;
	if (!strcmp(what, "nameless, without a module"))
		h->module = m->handlers.items[0].module = NULL;
	if (!strcmp(what, "unknown programs"))
		m->processes.items[0].exe = m->processes.items[1].exe = "";
	analyse(m);
	uint32_t count = count_kind(m, FINDING_UNSAFE_CALL);

	model_free(m);
	return count;
}

static void what_differs_is_kept_apart(void)
{
	static const char *const differences[] = {
		"program",
		"file",
		"handler",
		"function",
		"signal",
		"nameless, elsewhere",
		"nameless, without a module",
		"unknown programs",
	};

	CU_ASSERT_EQUAL(calls_of_two("nothing"), 1);
	CU_ASSERT_EQUAL(calls_of_two("nameless"), 1);
	for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
		CU_ASSERT_EQUAL(calls_of_two(differences[i]), 2);
}

/* Images of one process are one process. */
static void images_are_one_process(void)
{
	struct model *m = live_model();

	add_server(m, 10, "/bin/a", "on_alarm");
	add_server(m, 10, "/bin/a", "on_alarm");
	m->processes.items[0].state = PROCESS_EXECED;
	m->processes.items[0].start_time = m->processes.items[1].start_time = 77;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 2);
	CU_ASSERT_EQUAL(m->findings.items[0].process_count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].count, 4);
	CU_ASSERT_EQUAL(m->findings.items[1].process_count, 1);
	model_free(m);
}

/* Each of the living has to be ended; of the dead one stands for all. */
static void heap_deadlocks_of_equal_processes(void)
{
	for (int is_live = 0; is_live < 2; is_live++) {
		struct model *m = live_model();

		m->is_live = is_live;
		for (uint32_t i = 0; i < 3; i++) {
			add_server(m, 10 + (pid_t)i, "/bin/a", "on_alarm");
			struct model_call *c = &m->calls.items[i];
			struct model_thread *t = &m->threads.items[i];

			m->handlers.items[i].errno_clobbered = 0;
			m->processes.items[i].state = is_live ? PROCESS_LIVE : PROCESS_KILLED;
			c->is_allocator = c->has_interrupted_allocator = c->is_threaded = true;
			c->function = "malloc";
			t->call = i;
			t->call_since_ns = SECOND;
			t->handler_depth = 1;
			t->syscall = SYS_futex;
		}
		analyse(m);
		CU_ASSERT_EQUAL(m->findings.count, is_live ? 3 : 1);
		CU_ASSERT_EQUAL(count_kind(m, FINDING_DEADLOCK_HEAP), m->findings.count);
		CU_ASSERT_EQUAL(m->findings.items[0].process_count, is_live ? 1 : 3);
		CU_ASSERT_EQUAL(m->findings.items[0].count, is_live ? 2 : 6);
		model_free(m);
	}
}

/* --- calls that libc makes itself ------------------------------------------------------------- */

static struct model *two_calls(struct model_call **outer, struct model_call **inner)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), h = add_handler(m, p, "on_alarm");

	add_call(m, p, h, "printf");
	*inner = add_call(m, p, h, "malloc");
	*outer = &m->calls.items[0];
	(*outer)->caller = 0x1000;
	(*inner)->caller = 0x7000;
	(*inner)->is_allocator = true;
	(*inner)->entered_by = 0x1000;
	(*inner)->entered = "__printf";
	return m;
}

static void libcs_own_calls_are_told_once(void)
{
	struct model_call *outer, *inner;
	struct model *m = two_calls(&outer, &inner);

	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline, "printf"));
	model_free(m);

	/* A function that the table does not have: what it did is all there is. */
	m = two_calls(&outer, &inner);
	outer->caller = 0x2000;
	inner->entered = "realpath";
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 2);
	CU_ASSERT(strstr(m->findings.items[0].evidence, "realpath") ||
		  strstr(m->findings.items[1].evidence, "realpath"));
	model_free(m);
}

static void libcs_own_calls_for_a_safe_call_are_none(void)
{
	static const char *const names[] = {"write", "__libc_write", "__execve",   "_exit",
					    "open64", "fcntl64",      "__read_chk", "__open64_2"};
	struct model_call *outer, *inner;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct model *m = two_calls(&outer, &inner);

		outer->caller = 0x2000;
		inner->entered = names[i];
		analyse(m);
		CU_ASSERT_EQUAL(m->findings.count, 1);
		/* But not where it re-entered the heap. */
		inner->has_interrupted_allocator = true;
		m->findings.count = 0;
		analyse(m);
		CU_ASSERT_EQUAL(m->findings.count, 2);
		model_free(m);
	}
}

/* A handler that ends with the call leaves no frame of its own: the function's name tells. */
static void a_last_call_is_known_by_name(void)
{
	struct model_call *outer, *inner;
	struct model *m = two_calls(&outer, &inner);

	inner->entered_by = 0;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 1);
	model_free(m);

	m = two_calls(&outer, &inner);
	inner->entered_by = 0;
	inner->entered = "qsort";
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 2);
	model_free(m);
}

static void what_libc_promises_is_a_note(void)
{
	struct model_call *outer, *inner;
	struct model *m = two_calls(&outer, &inner);

	inner->entered_by = 0;
	inner->entered = NULL;
	inner->function = "getenv";
	inner->is_allocator = false;
	inner->is_safe_in_libc = true;
	inner->why = "is promised";
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 2);
	CU_ASSERT_EQUAL(m->findings.items[1].kind, FINDING_UNPORTABLE_CALL);
	CU_ASSERT_EQUAL(m->findings.items[1].severity, SEVERITY_NOTE);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[1].evidence, "getenv() is promised"));
	model_free(m);

	/* What it allocates all the same is no note. */
	m = two_calls(&outer, &inner);
	outer->is_safe_in_libc = true;
	analyse(m);
	CU_ASSERT_EQUAL(count_kind(m, FINDING_UNSAFE_CALL), 1);
	CU_ASSERT_EQUAL(count_kind(m, FINDING_UNPORTABLE_CALL), 1);
	model_free(m);
}

/* Of what the child of a handler does nothing is harmful but what comes on top of an unsafe function. */
static void a_child_forked_in_a_handler(void)
{
	struct model_call *outer, *inner;
	struct model *m = two_calls(&outer, &inner);

	inner->entered = NULL;
	inner->is_inherited = true;
	outer->is_inherited = false;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct model_finding *f = &m->findings.items[i];
		bool is_child = strstr(f->evidence, "in a process that was forked in it");

		CU_ASSERT_EQUAL(is_child, !strcmp(f->function, inner->function));
		CU_ASSERT_EQUAL(f->severity, is_child ? SEVERITY_NOTE : SEVERITY_WARNING);
	}
	model_free(m);
}

/* --- waits that SA_RESTART repeats ------------------------------------------------------------- */

/* A handler came into futex(), which libc's `function` had called. */
static struct model *wait_within(const char *function)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10), h = add_handler(m, p, "on_alarm"),
		 x = model_add_interruption(m), s = model_add_stack(m);
	const char *const names[] = {"futex_wait", function, "main"};

	m->handlers.items[h].flags = SA_RESTART;
	m->interruptions.items[x] = (struct model_interruption){
		.process = p, .thread = p, .handler = h, .syscall = SYS_futex, .count = 1, .stack = s};
	m->stacks.items[s].first_frame = m->frames.count;
	m->stacks.items[s].frame_count = 3;
	for (size_t i = 0; i < 3; i++) {
		uint32_t frame = model_add_frame(m);

		m->frames.items[frame] = (struct model_frame){
			.pc = 0x1000 + i,
			.function = names[i],
			.module = i < 2 ? "/lib/libc.so.6" : "/bin/p10",
		};
	}
	return m;
}

static void what_goes_on_by_itself_is_not_swallowed(void)
{
	static const struct {
		const char *function;
		uint32_t findings;
	} cases[] = {{"___pthread_mutex_lock", 0}, {"pthread_join", 0}, {"malloc", 0},
		     {"__new_sem_wait_slow64", 1}, {"sem_wait", 1},     {"syscall", 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model *m = wait_within(cases[i].function);

		analyse(m);
		CU_ASSERT_EQUAL(count_kind(m, FINDING_RESTARTED_WAIT), cases[i].findings);
		model_free(m);
	}
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
	{"sites of one function and handler are one finding", sites_are_merged},
	{"the heap is re-entered only where the allocator was interrupted", heap_is_reentered},
	{"a live thread that waits in malloc is a deadlock", heap_deadlock_of_a_live_thread},
	{"a short wait may be for another thread", a_short_wait_may_be_for_another_thread},
	{"a killed process that had threads was deadlocked", heap_deadlock_of_the_dead},
	{"handlers that change errno, and one that does not", errno_is_clobbered},
	{"two thousand equal processes have one finding of a kind",
	 equal_processes_are_one_finding},
	{"programs, handlers, functions and signals that differ are kept apart",
	 what_differs_is_kept_apart},
	{"images of one process are one process", images_are_one_process},
	{"deadlocks in the heap are told one by one while they last",
	 heap_deadlocks_of_equal_processes},
	{"a call that libc makes itself is told with the one that led to it",
	 libcs_own_calls_are_told_once},
	{"what libc does for a safe call is none, unless it re-entered the heap",
	 libcs_own_calls_for_a_safe_call_are_none},
	{"what libc does for the last call of a handler is none", a_last_call_is_known_by_name},
	{"a call that is safe by libc's word alone is a note", what_libc_promises_is_a_note},
	{"what a child does that was forked in a handler is a note", a_child_forked_in_a_handler},
	{"a wait that libc never ends for a signal is not swallowed",
	 what_goes_on_by_itself_is_not_swallowed},
	{"findings are ordered by kind, process and time", order_is_kind_process_time},
	{"ids and severities have their names", ids_are_the_contract},
	{NULL, NULL},
};
const struct unit_suite unit_analysis = {tests};
