/* The analysis, on models made by hand: signals that stay pending because all threads block them.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "tests/unit/analysis_fixture.h"

#define BIT(signo) (UINT64_C(1) << ((signo)-1))

/* A process that sits in read(), with SIGTERM pending and blocked for a second. */
static struct model_held_back *add_held_back(struct model *m)
{
	uint32_t p = add_process(m, 10);
	struct model_held_back *h = &m->processes.items[p].held_back;
	struct model_thread *t = &m->threads.items[p];

	t->has_signals = true;
	t->blocked = BIT(SIGTERM);
	t->syscall = SYS_read;
	h->signals = BIT(SIGTERM);
	h->since_ns = 50 * SECOND;
	h->last_ns = 51 * SECOND;
	h->looks = 21;
	return h;
}

static void nobody_takes_it(void)
{
	struct model *m = live_model();

	add_held_back(m);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_SIGNAL_BLOCKED);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_EQUAL(f->signo, SIGTERM);
	CU_ASSERT_STRING_EQUAL(f->headline,
			       "SIGTERM cannot be delivered to /bin/p10 (pid 10): blocked by its "
			       "only thread");
	CU_ASSERT_STRING_EQUAL(f->evidence,
			       "observed: pending at each of 21 looks within 1.0s; none of its "
			       "threads ran in between; its main thread is in read()");
	model_free(m);
}

static void who_runs_may_let_it_in(void)
{
	struct model *m = live_model();

	add_held_back(m)->has_run = true;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
	model_free(m);
}

static void few_looks_are_none(void)
{
	struct model *m = live_model();

	struct model_held_back *h = add_held_back(m);

	h->looks = 1;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 0);
	h->looks = 9;
	h->has_run = true;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 0);
	h->looks = 21;
	h->signals = 0;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 0);
	model_free(m);
}

static void threads_and_handlers_are_named(void)
{
	struct model *m = live_model();
	uint32_t t, h;

	add_held_back(m)->signals = BIT(SIGHUP) | BIT(SIGTERM) | BIT(64);
	t = model_add_thread(m);
	h = model_add_handler(m);
	m->threads.items[t].process = m->handlers.items[h].process = 0;
	m->threads.items[t].tid = 11;
	m->threads.items[t].has_signals = true;
	m->handlers.items[h].signo = SIGHUP;
	m->handlers.items[h].is_current = true;
	m->handlers.items[h].function = "on_hup";
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].handler, "on_hup");
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].headline,
			       "SIGHUP, SIGTERM and SIGRTMIN+30 cannot be delivered to /bin/p10 "
			       "(pid 10): blocked by all its 2 threads");
	m->threads.items[t].pending = m->threads.items[t].blocked = BIT(64);
	m->findings.count = 0;
	analyse(m);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline,
				      ": blocked by its thread 11, to which it was sent"));
	model_free(m);
}

static void who_samples_looks_now_and_then(void)
{
	struct model *m = live_model();
	struct model_held_back *h = add_held_back(m);

	h->is_sampled = true;
	h->looks = 2;
	m->threads.items[0].has_signals = false;
	m->threads.items[0].syscall = -1;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].evidence,
			       "sampled: pending at each of 2 looks within 1.0s; none of its "
			       "threads ran in between");
	m->findings.count = 0;
	h->since_ns += SECOND / 2;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 0);
	h->since_ns = h->last_ns + 1;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 0);
	model_free(m);
}

static const struct unit_test tests[] = {
	{"what nobody takes while all sleep is a warning", nobody_takes_it},
	{"who runs may be about to let it in: a note", who_runs_may_let_it_in},
	{"one look is none, nor are a few at who runs", few_looks_are_none},
	{"threads, signals and handlers are named", threads_and_handlers_are_named},
	{"who samples looks now and then", who_samples_looks_now_and_then},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_blocked = {tests};
