/* The analysis, on models made by hand: signals that come between a look at a flag and a wait. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "tests/unit/analysis_fixture.h"

/* A process whose handler of SIGTERM came once into a read() without a limit, which it ended. */
static struct model_interruption *add_ended(struct model *m)
{
	uint32_t p = add_process(m, 10), h = model_add_handler(m), i = model_add_interruption(m);
	struct model_handler *handler = &m->handlers.items[h];
	struct model_interruption *x = &m->interruptions.items[i];

	handler->process = x->process = p;
	handler->signo = SIGTERM;
	handler->function = "on_term";
	x->thread = p;
	x->handler = h;
	x->syscall = SYS_read;
	x->args[0] = 3;
	x->ended = 1;
	x->first_ns = x->ended_ns = handler->last_ns = 10 * SECOND;
	x->limit_ns = MODEL_NO_LIMIT;
	return x;
}

/* The same one came right before the call, which still waits. */
static struct model_interruption *add_before(struct model *m)
{
	struct model_interruption *x = add_ended(m);

	x->count = 1;
	x->ended = x->ended_ns = 0;
	x->last_ns = x->first_ns;
	m->threads.items[x->thread].syscall = x->syscall;
	m->threads.items[x->thread].syscall_args[0] = x->args[0];
	return x;
}

static void proven_is_a_warning(void)
{
	struct model *m = live_model();

	add_before(m);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_FLAG_RACE);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_STRING_EQUAL(
		f->headline,
		"the handler on_term() of SIGTERM ran right before /bin/p10 (pid 10) "
		"blocked in read() on descriptor 3: after its last look at a flag, and "
		"too early to end the call");
	CU_ASSERT_STRING_EQUAL(
		f->evidence, "recorded: it came once when the program stood on the call's "
			     "instruction; it never called anything that could wake the program; "
			     "the call has no time limit; 90.0s after the last one the thread sits "
			     "in it");
	model_free(m);
}

static void latent_is_a_note(void)
{
	struct model *m = live_model();

	add_ended(m)->ended = 2;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_FLAG_RACE);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_NOTE);
	CU_ASSERT_EQUAL(f->count, 2);
	CU_ASSERT_STRING_EQUAL(
		f->headline, "the handler on_term() of SIGTERM ends a wait of /bin/p10 (pid 10) in "
			     "read() on descriptor 3 only if it comes inside the call: one moment "
			     "before, nothing does");
	model_free(m);
}

/* The number of findings with one thing changed. */
#define COUNT_WITH(add, change)                                                                    \
	({                                                                                         \
		struct model *m = live_model();                                                    \
		struct model_interruption *x = add(m);                                             \
		struct model_handler *h = &m->handlers.items[x->handler];                          \
                                                                                                   \
		(void)h;                                                                           \
		change;                                                                            \
		analyse(m);                                                                        \
		uint32_t found = count_kind(m, FINDING_FLAG_RACE);                                 \
		model_free(m);                                                                     \
		found;                                                                             \
	})

static void innocents_have_none(void)
{
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, (void)x), 1);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->ended_acted = 1), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, h->acted = 1), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->limit_ns = SECOND), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->limit_ns = 60 * SECOND), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->limit_ns = 0), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->syscall = SYS_wait4), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, x->limit_ns = 60 * SECOND), 1);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, x->syscall = SYS_wait4), 1);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, h->signo = SIGWINCH), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, h->signo = SIGALRM), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->syscall = SYS_futex), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_ended, x->syscall = SYS_getpid), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, (void)x), 1);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, h->signo = SIGALRM), 1);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, x->acted = 1), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, h->acted = 1), 0);
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, x->limit_ns = SECOND), 0);
	/* SA_RESTART repeats read(): that is another finding. */
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, h->flags = SA_RESTART), 0);
	/* ppoll() is never repeated: it was about to be made. */
	CU_ASSERT_EQUAL(COUNT_WITH(add_before, (h->flags = SA_RESTART, x->syscall = SYS_ppoll)), 1);
}

static void doubts_make_notes(void)
{
	for (int doubt = 0; doubt < 4; doubt++) {
		struct model *m = live_model();
		struct model_interruption *x = add_before(m);
		struct model_handler *h = &m->handlers.items[x->handler];

		if (doubt == 0)
			m->processes.items[x->process].has_children_threads = true;
		else if (doubt == 1)
			x->limit_ns = 60 * SECOND;
		else if (doubt == 2)
			h->signo = SIGCHLD;
		else
			h->signo = SIGALRM, h->deliveries = 2;
		analyse(m);
		CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
		CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
		model_free(m);
	}
}

/* One finding for a handler, about what was proven. */
static void proven_goes_before_latent(void)
{
	struct model *m = live_model();
	struct model_interruption first = *add_ended(m);
	uint32_t i = model_add_interruption(m);
	struct model_interruption *x = &m->interruptions.items[i];

	*x = first;
	x->count = 3;
	x->ended = 0;
	x->last_ns = 20 * SECOND;
	x->syscall = SYS_ppoll;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].count, 3);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_WARNING);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline, "blocked in ppoll()"));
	model_free(m);
}

static void a_later_delivery_is_told(void)
{
	struct model *m = live_model();
	struct model_interruption *x = add_ended(m);

	m->threads.items[x->thread].syscall = x->syscall;
	m->threads.items[x->thread].syscall_args[0] = x->args[0];
	m->handlers.items[x->handler].last_ns = 60 * SECOND;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(m->findings.items[0].evidence,
		       "the last one came elsewhere 40.0s ago, and the thread sits in "
		       "the call"));
	model_free(m);
}

/* By the race's handler, or by SA_RESTART. */
static const char *evidence_with(uint32_t flags, uint64_t slept, uint64_t waited_ns)
{
	static char text[512];
	struct model *m = live_model();
	struct model_interruption *x = add_before(m);

	m->handlers.items[x->handler].flags = flags;
	x->sleeps = 4;
	x->waited_ns = waited_ns;
	m->threads.items[x->thread].sleeps = 4 + slept;
	if (!slept) /* nor is it there any more */
		m->threads.items[x->thread].syscall = -1;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 1);
	snprintf(text, sizeof(text), "%s", m->findings.count ? m->findings.items[0].evidence : "");
	model_free(m);
	return text;
}

static void the_same_wait_is_known_by_its_sleep(void)
{
	static const uint32_t flags[] = {0, SA_RESTART};

	for (int i = 0; i < 2; i++) {
		CU_ASSERT_PTR_NOT_NULL(
			strstr(evidence_with(flags[i], 1, 0), ", its first sleep since"));
		CU_ASSERT_PTR_NULL(strstr(evidence_with(flags[i], 2, 0), "sleep"));
		CU_ASSERT_PTR_NOT_NULL(strstr(evidence_with(flags[i], 0, 30 * SECOND),
					      "another signal found it there 30.0s after one"));
	}
}

/* SIGTERM came elsewhere half a minute ago; the thread has slept once since, in pause(). */
static struct model_handler *add_elsewhere(struct model *m)
{
	uint32_t p = add_process(m, 10), i = model_add_handler(m);
	struct model_handler *h = &m->handlers.items[i];

	h->process = p;
	h->signo = SIGTERM;
	h->function = "on_term";
	h->last_ns = 70 * SECOND - 1;
	h->returned_ns = 70 * SECOND;
	h->returned_sleeps = 7;
	h->returned_tid = 10;
	m->threads.items[p].sleeps = 8;
	m->threads.items[p].syscall = SYS_recvfrom;
	return h;
}

static void an_early_signal_may_be_unseen(void)
{
	struct model *m = live_model();

	add_elsewhere(m);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_FLAG_RACE);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
	CU_ASSERT_STRING_EQUAL(m->findings.items[0].headline,
			       "the handler on_term() of SIGTERM ran 30.0s ago, and /bin/p10 "
			       "(pid 10) waits in recvfrom() since");
	model_free(m);
}

/* The number of findings with one thing changed. */
#define COUNT_ELSEWHERE(change)                                                                    \
	({                                                                                         \
		struct model *m = live_model();                                                    \
		struct model_handler *h = add_elsewhere(m);                                        \
		struct model_thread *t = &m->threads.items[0];                                     \
                                                                                                   \
		(void)h, (void)t;                                                                  \
		change;                                                                            \
		analyse(m);                                                                        \
		uint32_t found = count_kind(m, FINDING_FLAG_RACE);                                 \
		model_free(m);                                                                     \
		found;                                                                             \
	})

static void who_may_have_seen_it_has_none(void)
{
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE((void)0), 1);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(t->sleeps++), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(t->sleeps--), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(t->syscall = SYS_nanosleep), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(t->syscall = SYS_ppoll), 1);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE((t->syscall = SYS_ppoll, t->syscall_args[2] = 1)), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE((t->syscall = SYS_ppoll, t->syscall_args[3] = 1)), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(t->sleep_mask = UINT64_C(1) << (SIGTERM - 1)), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(h->signo = SIGHUP), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(h->acted = 1), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(h->last_ns = 71 * SECOND), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(h->returned_ns = m->now_ns - SECOND / 2), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(m->processes.items[0].state = PROCESS_KILLED), 0);
	CU_ASSERT_EQUAL(COUNT_ELSEWHERE(m->processes.items[0].has_children_threads = true), 0);
}

static const struct unit_test tests[] = {
	{"a signal that came right before the call is a warning", proven_is_a_warning},
	{"one that ended the call may come before it: a note", latent_is_a_note},
	{"who wakes, who waits for a moment, and whom nobody asks have none", innocents_have_none},
	{"threads, limits, SIGCHLD and ticks make it a note", doubts_make_notes},
	{"what was proven goes before what may happen", proven_goes_before_latent},
	{"a delivery elsewhere, and a wait since, are told", a_later_delivery_is_told},
	{"the same wait is known by its one sleep", the_same_wait_is_known_by_its_sleep},
	{"a signal that came early may be unseen: a note", an_early_signal_may_be_unseen},
	{"who may have seen it has none", who_may_have_seen_it_has_none},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_race = {tests};
