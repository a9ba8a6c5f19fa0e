/* The analysis of dispositions, on models made by hand: flags of one handler. */
#include <signal.h>
#include <string.h>

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

static const struct unit_test tests[] = {
	{"one handler installed with different flags in two places", flags_of_two_places},
	{"flags that differ on purpose, or do not matter, are none", flags_that_are_meant},
	{"flags that are switched to and fro are a note", flags_that_are_switched},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_signals = {tests};
