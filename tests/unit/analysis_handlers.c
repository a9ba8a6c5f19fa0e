/* What the analysis says of handlers by the frames outside of them: models made by hand. */
#include "config.h"

#include <signal.h>
#include <string.h>

#include "tests/unit/analysis_fixture.h"

static uint32_t add_handler(struct model *m, uint32_t process, int signo, const char *name)
{
	uint32_t i = model_add_handler(m);
	struct model_handler *h = &m->handlers.items[i];

	h->process = process;
	h->signo = signo;
	h->function = name;
	h->deliveries = 1;
	return i;
}

/*
 * A stack from names, innermost first: "<" is a signal frame, ":read" a function of libc, others
 * are the program's.
 */
static uint32_t add_stack(struct model *m, const char *const *names)
{
	uint32_t stack = model_add_stack(m);
	struct model_stack *s = &m->stacks.items[stack];

	s->is_resolved = true;
	s->first_frame = m->frames.count;
	for (; *names; names++, s->frame_count++) {
		uint32_t i = model_add_frame(m);
		struct model_frame *f = &m->frames.items[i];
		bool is_libc = **names == ':';

		f->kind = **names == '<' ? FRAME_SIGNAL : FRAME_CALL;
		f->pc = 0x1000 + i;
		f->function = f->kind == FRAME_SIGNAL ? NULL : *names + is_libc;
		f->module = is_libc ? "/lib/libc.so.6" : "/bin/p";
	}
	return stack;
}

/* --- jumps out of handlers ----------------------------------------------------------------------
 */

static struct model_call *add_jump(struct model *m, uint32_t process, uint32_t handlers,
				   const char *const *names)
{
	uint32_t h = add_handler(m, process, SIGALRM, "on_alarm");
	uint32_t stack = add_stack(m, names), i = model_add_call(m);
	struct model_call *c = &m->calls.items[i];

	m->processes.items[process].exe = "/bin/p";
	c->process = c->thread = process;
	c->handler = h;
	c->signo = SIGALRM;
	c->function = "siglongjmp";
	c->jumps_out = handlers;
	c->count = 3;
	c->stack = stack;
	return c;
}

struct jump {
	uint32_t handlers;
	const char *names[8];
};

static uint32_t count_jumps(const struct jump *jump)
{
	struct model *m = live_model();

	add_jump(m, add_process(m, 10), jump->handlers, jump->names);
	analyse(m);
	CU_ASSERT_PTR_NULL(model_check(m));
	CU_ASSERT_EQUAL(m->findings.count, count_kind(m, FINDING_JUMP_OUT));

	uint32_t count = m->findings.count ? (uint32_t)m->findings.items[0].count : 0;

	model_free(m);
	return count;
}

static void jumps_that_cut_off(void)
{
	static const struct jump jumps[] = {
		{1, {"siglongjmp", "f", "<", ":_int_malloc", ":__libc_malloc", "main"}},
		{1, {"siglongjmp", "f", "<", ":read", ":_IO_file_read", ":_IO_fgets", "main"}},
		{1, {"siglongjmp", "f", "<", "compare", ":msort", ":qsort", "main"}},
		{1, {"siglongjmp", "f", "<", ":raise", "compare", ":qsort", "main"}},
		{2, {"siglongjmp", "f", "<", "on_usr1", "<", ":malloc", "main"}},
	};

	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
		CU_ASSERT_EQUAL(count_jumps(&jumps[i]), 3);
}

static void jumps_that_cut_off_nothing(void)
{
	static const struct jump jumps[] = {
		{1, {"siglongjmp", "f", "<", "crunch", "main", ":__libc_start_main"}},
		{1, {"siglongjmp", "f", "<", ":read", "main", ":__libc_start_main"}},
		{1, {"siglongjmp", "f", "<", ":epoll_wait", "main"}},
		{1, {"siglongjmp", "f", "<", ":raise", "main"}},
		/* Into the outer handler, which goes on. */
		{1, {"siglongjmp", "f", "<", "on_usr1", "<", ":malloc", "main"}},
	};

	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
		CU_ASSERT_EQUAL(count_jumps(&jumps[i]), 0);
}

/* jemalloc's functions are in no table: the verdict on the allocator is made by its frames. */
static void jumps_out_of_any_allocator(void)
{
	static const char *const names[] = {"siglongjmp", "on_alarm", "<",
					    "je_tcache",  "main",     NULL};
	struct model *m = live_model();
	struct model_call *c = add_jump(m, add_process(m, 10), 1, names);

	c->has_interrupted_allocator = true;
	c->interrupted = "je_tcache";
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline, "je_tcache()"));
	model_free(m);
}

static void equal_jumps_are_one_finding(void)
{
	static const char *const names[] = {"siglongjmp", "on_alarm", "<", ":malloc", "main", NULL};
	struct model *m = live_model();

	for (pid_t pid = 10; pid < 13; pid++)
		add_jump(m, add_process(m, pid), 1, names);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].process_count, 3);
	CU_ASSERT_EQUAL(m->findings.items[0].count, 9);
	CU_ASSERT_EQUAL(m->findings.items[0].stack_count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].signo, SIGALRM);
	model_free(m);
}

/* --- locks in handlers --------------------------------------------------------------------------
 */

/* A request on bytes 0-9 of file 1; `handler` MODEL_NONE: outside, with SIGALRM unblocked. */
static struct model_use *add_use(struct model *m, uint32_t process, uint32_t handler,
				 enum lock_kind kind)
{
	uint32_t i = model_add_use(m);
	struct model_use *u = &m->uses.items[i];

	u->process = u->thread = process;
	u->handler = handler;
	u->role = USE_TAKEN;
	u->kind = kind;
	u->mode = MODE_WRITE;
	u->file = "/data/lock";
	u->dev = u->ino = 1;
	u->end = 9;
	u->is_blocking = true;
	u->count = 1;
	u->exposed = handler == MODEL_NONE ? UINT64_C(1) << (SIGALRM - 1) : 0;
	u->ofd = kind == LOCK_POSIX ? 0 : 1 + m->uses.count;
	return u;
}

/* uses[0] is outside, uses[1] in the handler of SIGALRM. */
static struct model *two_uses(enum lock_kind outside, enum lock_kind inside)
{
	struct model *m = live_model();
	uint32_t p = add_process(m, 10);

	m->processes.items[p].exe = "/bin/p";
	add_use(m, p, MODEL_NONE, outside);
	add_use(m, p, add_handler(m, p, SIGALRM, "on_alarm"), inside);
	return m;
}

/* Analyses, and frees the model: is there one finding whose headline has the text? */
static bool has_finding(struct model *m, enum severity severity, const char *text)
{
	analyse(m);
	CU_ASSERT_PTR_NULL(model_check(m));

	const struct model_finding *f = m->findings.count == 1 ? &m->findings.items[0] : NULL;
	bool is_so = f && f->kind == FINDING_LOCK_IN_HANDLER && f->severity == severity &&
		     strstr(f->headline, text) && f->signo == SIGALRM;

	model_free(m);
	return is_so;
}

static bool has_none(struct model *m)
{
	analyse(m);

	bool is_so = m->findings.count == 0;

	model_free(m);
	return is_so;
}

#define WAITS "waits for ever"
#define DROPS "ends both"

static void kinds_decide_what_happens(void)
{
	static const struct {
		enum lock_kind outside, inside;
		const char *text; /* NULL: nothing */
	} rows[] = {
		{LOCK_POSIX, LOCK_POSIX, DROPS}, {LOCK_POSIX, LOCK_OFD, WAITS},
		{LOCK_OFD, LOCK_POSIX, WAITS},   {LOCK_OFD, LOCK_OFD, WAITS},
		{LOCK_FLOCK, LOCK_FLOCK, WAITS}, {LOCK_POSIX, LOCK_FLOCK, NULL},
		{LOCK_FLOCK, LOCK_OFD, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *m = two_uses(rows[i].outside, rows[i].inside);

		CU_ASSERT(rows[i].text ? has_finding(m, SEVERITY_WARNING, rows[i].text)
				       : has_none(m));
	}
	/* One description is one owner. */
	struct model *m = two_uses(LOCK_FLOCK, LOCK_FLOCK);

	m->uses.items[0].ofd = m->uses.items[1].ofd;
	CU_ASSERT(has_finding(m, SEVERITY_WARNING, DROPS));
}

static void what_cannot_meet_is_none(void)
{
	struct model *m = two_uses(LOCK_OFD, LOCK_OFD);

	m->uses.items[0].exposed = UINT64_MAX & ~(UINT64_C(1) << (SIGALRM - 1));
	CU_ASSERT(has_none(m));
	m = two_uses(LOCK_OFD, LOCK_OFD);
	m->uses.items[1].is_blocking = false;
	CU_ASSERT(has_none(m));
	m = two_uses(LOCK_POSIX, LOCK_POSIX);
	m->uses.items[0].start = 10;
	m->uses.items[0].end = 20;
	CU_ASSERT(has_none(m));
	m = two_uses(LOCK_POSIX, LOCK_POSIX);
	m->uses.items[0].ino = 2;
	CU_ASSERT(has_none(m));
	m = two_uses(LOCK_OFD, LOCK_OFD);
	m->uses.items[0].mode = m->uses.items[1].mode = MODE_READ;
	CU_ASSERT(has_none(m));
	/* Who only tries gets it all the same, where it is his own. */
	m = two_uses(LOCK_POSIX, LOCK_POSIX);
	m->uses.items[1].is_blocking = false;
	CU_ASSERT(has_finding(m, SEVERITY_WARNING, DROPS));
}

static void what_happened_tells_more(void)
{
	struct model *m = two_uses(LOCK_POSIX, LOCK_POSIX);
	struct model_use *seen = add_use(m, 0, m->uses.items[1].handler, LOCK_POSIX);

	seen->role = USE_INTERRUPTED;
	seen->dropped = 1;
	CU_ASSERT(has_finding(m, SEVERITY_ERROR, DROPS));

	m = two_uses(LOCK_POSIX, LOCK_POSIX);
	m->uses.items[0].exposed = 0;
	CU_ASSERT(has_none(m));
	m = two_uses(LOCK_POSIX, LOCK_POSIX);
	m->uses.items[0].exposed = 0;
	m->uses.items[1].waited_ns = SECOND;
	CU_ASSERT(
		has_finding(m, SEVERITY_WARNING, " waited for the WRITE lock (POSIX, bytes 0-9)"));
}

static void other_processes_of_the_program(void)
{
	struct model *m = two_uses(LOCK_POSIX, LOCK_POSIX);
	uint32_t other = add_process(m, 11);

	m->processes.items[other].exe = "/bin/p";
	m->uses.items[0].process = m->uses.items[0].thread = other;
	CU_ASSERT(has_finding(m, SEVERITY_WARNING, DROPS));

	/* Not of another program; nor where one description or two makes the difference. */
	m = two_uses(LOCK_POSIX, LOCK_POSIX);
	other = add_process(m, 11);
	m->processes.items[other].exe = "/bin/other";
	m->uses.items[0].process = m->uses.items[0].thread = other;
	CU_ASSERT(has_none(m));
	m = two_uses(LOCK_FLOCK, LOCK_FLOCK);
	other = add_process(m, 11);
	m->processes.items[other].exe = "/bin/p";
	m->uses.items[0].process = m->uses.items[0].thread = other;
	CU_ASSERT(has_none(m));
}

/* --- what an unsafe call came into ---------------------------------------------------------------
 */

static struct model *unsafe_call(const char *function, bool shares_data, const char *const *names)
{
	struct model *m = live_model();
	struct model_call *c = add_jump(m, add_process(m, 10), 0, names);

	c->function = function;
	c->shares_data = shares_data;
	return m;
}

static enum severity severity_of(struct model *m, unsigned *gravity)
{
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_UNSAFE_CALL);

	enum severity severity = m->findings.items[0].severity;

	*gravity = m->findings.items[0].gravity;
	model_free(m);
	return severity;
}

static void severity_is_by_what_was_interrupted(void)
{
	static const struct {
		const char *function;
		bool shares_data;
		const char *names[7];
		enum severity severity;
		unsigned gravity;
	} rows[] = {
		{"localtime", true, {"", "f", "<", "crunch", "main"}, SEVERITY_WARNING, 0},
		{"localtime", true, {"", "f", "<", ":raise", "main"}, SEVERITY_NOTE, 0},
		{"localtime", true, {"", "f", "<", ":fwrite", "main"}, SEVERITY_WARNING, 2},
		{"localtime", true, {"", "f", "<", ":__localtime", "main"}, SEVERITY_ERROR, 2},
		{"fputs",
		 false,
		 {"", "f", "<", ":write", ":_IO_fputs", "main"},
		 SEVERITY_WARNING,
		 2},
		{"printf",
		 false,
		 {"", "f", "<", ":write", ":__printf_chk", "main"},
		 SEVERITY_ERROR,
		 2},
		{"printf", false, {"", "f", "<", ":_IO_puts", "main"}, SEVERITY_ERROR, 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned gravity;
		enum severity severity = severity_of(
			unsafe_call(rows[i].function, rows[i].shares_data, rows[i].names),
			&gravity);

		CU_ASSERT_EQUAL(severity, rows[i].severity);
		CU_ASSERT_EQUAL(gravity, rows[i].gravity);
	}
}

static void held_locks_are_evidence(void)
{
	static const char *const names[] = {"", "f", "<", "crunch", "main", NULL};
	struct model *m = unsafe_call("localtime", true, names);
	uint32_t use = m->uses.count;
	struct model_use *u = add_use(m, 0, m->calls.items[0].handler, LOCK_FLOCK);
	const struct model_finding *f;

	u->role = USE_INTERRUPTED;
	u->end = MODEL_TO_EOF;
	m->calls.items[0].held[0] = use;
	m->calls.items[0].held_count = 1;
	analyse(m);
	CU_ASSERT_PTR_NULL(model_check(m));
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	f = &m->findings.items[0];
	CU_ASSERT_PTR_NOT_NULL(strstr(
		f->evidence, "; the interrupted code held the WRITE lock (flock) of /data/lock"));
	CU_ASSERT_EQUAL(f->held_count, 1);
	CU_ASSERT_EQUAL(f->gravity, 1);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	model_free(m);
}

static const struct unit_test tests[] = {
	{"a jump out of a handler that interrupted an unsafe function", jumps_that_cut_off},
	{"a jump out of a handler that cuts off nothing", jumps_that_cut_off_nothing},
	{"a jump that cuts off an allocator which is not libc's", jumps_out_of_any_allocator},
	{"equal processes have one finding of jumps", equal_jumps_are_one_finding},
	{"kinds of locks decide what happens to a handler that takes one",
	 kinds_decide_what_happens},
	{"a handler's lock that cannot meet another", what_cannot_meet_is_none},
	{"a lock in a handler: what happened tells more than what may", what_happened_tells_more},
	{"a lock in a handler, and other processes of the program", other_processes_of_the_program},
	{"the severity of an unsafe call is by what was interrupted",
	 severity_is_by_what_was_interrupted},
	{"locks that the interrupted code held are evidence", held_locks_are_evidence},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_handlers = {tests};
