/* lock-order and upgrade-deadlock, on models made by hand: what the records of real programs do not have. */
#include <string.h>

#include "tests/unit/analysis_fixture.h"

/* A hold on top of another one (MODEL_NONE: the first). */
static uint32_t add_holding(struct model *m, uint32_t process, uint32_t file, uint32_t under)
{
	uint32_t i = model_add_holding(m);
	struct model_holding *h = &m->holdings.items[i];

	h->process = process;
	h->under = under;
	h->resource = file;
	h->kind = LOCK_POSIX;
	h->mode = MODE_WRITE;
	h->end = MODEL_TO_EOF;
	return i;
}

static struct model_edge *add_edge(struct model *m, uint32_t held, uint32_t file)
{
	uint32_t i = model_add_edge(m);
	struct model_edge *e = &m->edges.items[i];

	e->process = m->holdings.items[held].process;
	e->thread = e->process;
	e->by = 1;
	e->held = held;
	e->resource = file;
	e->kind = LOCK_POSIX;
	e->mode = MODE_WRITE;
	e->end = MODEL_TO_EOF;
	e->count = 1;
	e->first_ns = (i + 1) * SECOND;
	e->last_ns = e->first_ns + SECOND;
	return e;
}

static struct model_edge *add_order(struct model *m, uint32_t process, uint32_t first, uint32_t then)
{
	return add_edge(m, add_holding(m, process, first, MODEL_NONE), then);
}

/* Two processes, two files, both orders. */
static struct model *both_orders(void)
{
	struct model *m = live_model();

	add_process(m, 10);
	add_process(m, 11);
	add_file(m, "/a");
	add_file(m, "/b");
	add_order(m, 0, 0, 1);
	add_order(m, 1, 1, 0);
	return m;
}

static uint32_t orders_of(struct model *m)
{
	CU_ASSERT_PTR_NULL(model_check(m));
	analyse(m);
	uint32_t count = count_kind(m, FINDING_LOCK_ORDER);

	CU_ASSERT_EQUAL(m->findings.count, count);
	model_free(m);
	return count;
}

static void both_orders_are_told(void)
{
	struct model *m = both_orders();

	m->edges.items[1].count = 4;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_LOCK_ORDER);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_EQUAL(f->process_count, 2);
	CU_ASSERT_EQUAL(f->count, 5);
	CU_ASSERT_EQUAL(f->first_ns, SECOND);
	CU_ASSERT_EQUAL(f->last_ns, 3 * SECOND);
	CU_ASSERT_STRING_EQUAL(f->headline, "/bin/p10 (pid 10) locks /a and then /b, /bin/p11 (pid 11) "
					    "locks /b and then /a");
	CU_ASSERT_STRING_EQUAL(f->evidence,
			       "recorded: pid 10 asked for a WRITE lock on /b 1 time while it held a "
			       "WRITE lock on /a; pid 11 asked for a WRITE lock on /a 4 times while "
			       "it held a WRITE lock on /b; no lock that two of them hold keeps these "
			       "apart");
	model_free(m);
}

/* The same file in another session is another resource of the model. */
static void sessions_are_united(void)
{
	struct model *m = both_orders();
	uint32_t again = add_file(m, "/a");

	m->resources.items[again].ino = m->resources.items[0].ino;
	m->edges.items[1].resource = again;
	CU_ASSERT_EQUAL(orders_of(m), 1);
	m = both_orders();
	m->edges.items[1].resource = add_file(m, "/a"); /* of the same name, but another file */
	CU_ASSERT_EQUAL(orders_of(m), 0);
}

/* A process that executes another program does not meet itself. */
static void images_of_one_process(void)
{
	struct model *m = both_orders();

	m->processes.items[1].pid = 10;
	m->processes.items[0].start_time = m->processes.items[1].start_time = 7;
	m->processes.items[0].state = PROCESS_EXECED;
	CU_ASSERT_EQUAL(orders_of(m), 0);
	m = both_orders();
	m->processes.items[1].pid = 10; /* used again later */
	m->processes.items[0].start_time = 7;
	m->processes.items[1].start_time = 8;
	CU_ASSERT_EQUAL(orders_of(m), 1);
}

static void one_description_does_not_meet_itself(void)
{
	struct model *m = both_orders();

	for (uint32_t i = 0; i < 2; i++) {
		m->holdings.items[i].kind = m->edges.items[i].kind = LOCK_FLOCK;
		m->holdings.items[i].ofd = 5 + i;
		m->edges.items[i].ofd = 6 - i;
	}
	CU_ASSERT_EQUAL(orders_of(m), 0);
}

static void threads_of_one_process(void)
{
	struct model *m = both_orders();

	for (uint32_t i = 0; i < 2; i++) {
		m->holdings.items[i].process = m->edges.items[i].process = 0;
		m->holdings.items[i].kind = m->edges.items[i].kind = LOCK_MUTEX;
		m->edges.items[i].thread = MODEL_NONE;
	}
	m->edges.items[1].by = 2;
	analyse(m);
	CU_ASSERT_EQUAL(count_kind(m, FINDING_LOCK_ORDER), 1);
	m->findings.count = 0;
	m->edges.items[1].by = 1;
	analyse(m);
	CU_ASSERT_EQUAL(count_kind(m, FINDING_LOCK_ORDER), 0);
	m->edges.items[1].by_other = 2;
	CU_ASSERT_EQUAL(orders_of(m), 1);
}

/* What was cut off may have been a gate. */
static void more_was_held_than_is_known(void)
{
	struct model *m = both_orders();

	m->edges.items[0].is_cut = true;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].evidence, "more was held"));
	model_free(m);
}

/* The short cycle has a gate: the longer one behind it is found. */
static void a_longer_cycle_without_the_gate(void)
{
	struct model *m = live_model();

	for (pid_t pid = 10; pid < 14; pid++)
		add_process(m, pid);
	for (int i = 0; i < 4; i++)
		add_file(m, (const char *[]){"/a", "/b", "/c", "/gate"}[i]);
	add_edge(m, add_holding(m, 0, 0, add_holding(m, 0, 3, MODEL_NONE)), 1); /* gate, a -> b */
	add_edge(m, add_holding(m, 1, 1, add_holding(m, 1, 3, MODEL_NONE)), 0); /* gate, b -> a */
	add_order(m, 2, 1, 2);
	add_order(m, 3, 2, 0);
	CU_ASSERT_EQUAL(orders_of(m), 1); /* a -> b -> c -> a */
}

/* Many equal processes: one finding for one pair of files, also with different ranges. */
static void many_processes_are_one_finding(void)
{
	struct model *m = both_orders();

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t p = add_process(m, 100 + (pid_t)i), held;

		held = add_holding(m, p, i % 2, MODEL_NONE);
		m->holdings.items[held].end = i;
		add_edge(m, held, !(i % 2))->end = i;
	}
	CU_ASSERT_EQUAL(orders_of(m), 1);
}

/* A ring of 1,000, and a crowd of orders that all agree. */
static void long_rings_and_great_crowds(void)
{
	struct model *m = live_model();

	for (uint32_t i = 0; i < 1000; i++) {
		add_process(m, 100 + (pid_t)i);
		add_file(m, "/f");
	}
	for (uint32_t i = 0; i < 1000; i++)
		add_order(m, i, i, (i + 1) % 1000);
	CU_ASSERT_EQUAL(orders_of(m), 1);
	m = live_model();
	for (uint32_t i = 0; i < 1000; i++) {
		add_process(m, 100 + (pid_t)i);
		add_file(m, "/f");
	}
	for (uint32_t i = 0; i < 20000; i++)
		add_order(m, i % 1000, i % 997, i % 997 + 1 + i % 3);
	CU_ASSERT_EQUAL(orders_of(m), 0);
}

/* All under one gate, in every order: the search ends, and says so if it was cut short. */
static void everything_behind_a_gate(void)
{
	struct model *m = live_model();

	for (uint32_t i = 0; i < 300; i++)
		add_process(m, 100 + (pid_t)i);
	for (uint32_t i = 0; i < 301; i++)
		add_file(m, "/f");
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t gate = add_holding(m, i, 300, MODEL_NONE);

		for (uint32_t k = 0; k < 100; k++)
			add_edge(m, add_holding(m, i, (i * 7 + k) % 300, gate),
				 (i * 11 + k * 13 + 1) % 300);
	}
	CU_ASSERT_EQUAL(orders_of(m), 0);
}

static const struct unit_test tests[] = {
	{"both orders by two processes are told in full", both_orders_are_told},
	{"the same file of two sessions is one file", sessions_are_united},
	{"images of one process do not meet", images_of_one_process},
	{"one open file description does not keep itself waiting", one_description_does_not_meet_itself},
	{"thread locks: two threads of one process, not one", threads_of_one_process},
	{"what was cut off may have been a gate: a note", more_was_held_than_is_known},
	{"a longer cycle is found where the short one has a gate", a_longer_cycle_without_the_gate},
	{"many processes and ranges, one pair of files, one finding", many_processes_are_one_finding},
	{"a ring of 1,000; 20,000 orders that agree", long_rings_and_great_crowds},
	{"30,000 orders behind one gate", everything_behind_a_gate},
	{NULL, NULL},
};

const struct unit_suite unit_analysis_order = {tests};
