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

static const struct unit_test tests[] = {
	{"a jump out of a handler that interrupted an unsafe function", jumps_that_cut_off},
	{"a jump out of a handler that cuts off nothing", jumps_that_cut_off_nothing},
	{"a jump that cuts off an allocator which is not libc's", jumps_out_of_any_allocator},
	{"equal processes have one finding of jumps", equal_jumps_are_one_finding},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_handlers = {tests};
