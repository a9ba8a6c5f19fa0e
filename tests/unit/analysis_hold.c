/* Holds that others wait for: what is wrong with them, and what only looks so. */
#include <string.h>

#include "tests/unit/analysis_fixture.h"

/* 0 holds /f since the first second, 1 waits for it for ten; it is the hundredth. */
static struct model *held(void)
{
	struct model *m = live_model();

	add_process(m, 10);
	add_process(m, 11);
	add_file(m, "/f");
	add_lock(m, LOCK_POSIX, LOCK_HELD, 0, 0);
	add_lock(m, LOCK_POSIX, LOCK_WAITING, 1, 0)->since_ns = 90 * SECOND;
	return m;
}

static struct model_wait *add_wait(struct model *m, enum wait_kind kind, uint32_t process,
				   uint64_t since_ns)
{
	uint32_t i = model_add_wait(m);
	struct model_wait *w = &m->waits.items[i];

	w->kind = kind;
	w->process = w->thread = process;
	w->object = "something";
	w->since_ns = since_ns;
	return w;
}

/* How many findings of the kind; frees. */
static uint32_t found(struct model *m, enum finding_kind kind)
{
	analyse(m);
	uint32_t count = count_kind(m, kind);

	CU_ASSERT_PTR_NULL(model_check(m));
	model_free(m);
	return count;
}

static uint32_t blocked_by(enum wait_kind kind, uint64_t since_ns)
{
	struct model *m = held();

	add_wait(m, kind, 0, since_ns);
	return found(m, FINDING_BLOCKED_WHILE_HOLDING);
}

static void a_holder_that_is_blocked(void)
{
	struct model *m = held();

	add_wait(m, WAIT_REMOTE, 0, 50 * SECOND)->object = "10.0.0.7:143 (TCP)";
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(count_kind(m, FINDING_BLOCKED_WHILE_HOLDING), 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->severity, SEVERITY_WARNING);
	CU_ASSERT_STRING_EQUAL(f->headline,
			       "/bin/p10 (pid 10) holds a WRITE lock on /f, for which another one "
			       "waits, while it waits for 10.0.0.7:143 (TCP)");
	CU_ASSERT_EQUAL(f->process_count, 2);
	model_free(m);
	CU_ASSERT_EQUAL(blocked_by(WAIT_STOPPED, 0), 1);
	CU_ASSERT_EQUAL(blocked_by(WAIT_TRACED, 0), 1);
	CU_ASSERT_EQUAL(blocked_by(WAIT_SLEEP, 90 * SECOND), 1);
	CU_ASSERT_EQUAL(blocked_by(WAIT_DISK, 90 * SECOND), 1);
}

static void a_holder_that_is_at_work(void)
{
	struct model *m;

	CU_ASSERT_EQUAL(found(held(), FINDING_BLOCKED_WHILE_HOLDING), 0);
	CU_ASSERT_EQUAL(blocked_by(WAIT_SLEEP, 100 * SECOND - SECOND / 10), 0); /* a short one */
	CU_ASSERT_EQUAL(blocked_by(WAIT_DISK, 0), 0); /* nobody knows for how long */
	m = held();				      /* who waits came just now */
	m->locks.items[1].since_ns = 100 * SECOND - 1;
	add_wait(m, WAIT_REMOTE, 0, 50 * SECOND);
	CU_ASSERT_EQUAL(found(m, FINDING_BLOCKED_WHILE_HOLDING), 0);
	m = held(); /* nobody waits */
	m->locks.count = 1;
	add_wait(m, WAIT_REMOTE, 0, 50 * SECOND);
	CU_ASSERT_EQUAL(found(m, FINDING_BLOCKED_WHILE_HOLDING), 0);
	m = held(); /* another thread of it may give it up */
	uint32_t t = model_add_thread(m);

	m->threads.items[t].process = 0;
	m->threads.items[t].task_state = 'S';
	m->locks.items[0].thread = MODEL_NONE;
	add_wait(m, WAIT_REMOTE, 0, 50 * SECOND);
	CU_ASSERT_EQUAL(found(m, FINDING_BLOCKED_WHILE_HOLDING), 0);
}

/* Its child works, or does not. */
static struct model *with_child(enum wait_kind kind)
{
	struct model *m = held();
	uint32_t child = add_process(m, 12);

	add_wait(m, WAIT_CHILD, 0, 50 * SECOND);
	model_add_need(m, 0);
	uint32_t way = model_add_way(m, 0);

	m->ways.items[way].process = child;
	if (kind != WAIT_CHILD)
		add_wait(m, kind, child, 50 * SECOND);
	else
		m->threads.items[child].task_state = 'R';
	return m;
}

static void a_holder_that_waits_for_its_child(void)
{
	CU_ASSERT_EQUAL(found(with_child(WAIT_CHILD), FINDING_BLOCKED_WHILE_HOLDING), 0);
	CU_ASSERT_EQUAL(found(with_child(WAIT_REMOTE), FINDING_BLOCKED_WHILE_HOLDING), 1);
}

/* Services of a server queue for the one that accepts: for hours, and nothing is wrong. */
static void a_queue_of_idle_servers(void)
{
	static const enum wait_kind kinds[] = {WAIT_ACCEPT, WAIT_EVENTS, WAIT_TERMINAL, WAIT_SIGNAL};

	for (uint32_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct model *m = held();

		m->now_ns = 36000 * SECOND;
		add_wait(m, kinds[i], 0, SECOND);
		analyse(m);
		CU_ASSERT_EQUAL(m->findings.count, 0);
		model_free(m);
	}
}

static void thresholds(void)
{
	struct model *m = held(); /* held for 99 s, waited for for 10 s */

	CU_ASSERT_EQUAL(found(m, FINDING_LONG_HOLD), 1);
	CU_ASSERT_EQUAL(found(held(), FINDING_LONG_WAIT), 0);
	m = held();
	m->limits.long_wait_ns = 9 * SECOND;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(count_kind(m, FINDING_LONG_WAIT), 1);
	CU_ASSERT_EQUAL(m->findings.items[m->findings.count - 1].severity, SEVERITY_NOTE);
	CU_ASSERT_STRING_EQUAL(m->findings.items[m->findings.count - 1].headline,
			       "/bin/p11 (pid 11) has waited for 10.0s for a WRITE lock on /f, held "
			       "by /bin/p10 (pid 10)");
	model_free(m);
	m = held();
	m->limits.long_hold_ns = 100 * SECOND;
	CU_ASSERT_EQUAL(found(m, FINDING_LONG_HOLD), 0);
	m = held(); /* a name lock: held for hours, nobody waits */
	m->locks.count = 1;
	CU_ASSERT_EQUAL(found(m, FINDING_LONG_HOLD), 0);
	m = held(); /* of the dead nobody knows what the holder did */
	for (uint32_t i = 0; i < 2; i++) {
		m->processes.items[i].state = PROCESS_KILLED;
		m->locks.items[i].evidence = EVIDENCE_RECORDED;
	}
	m->is_live = false;
	analyse(m);
	CU_ASSERT_EQUAL(m->findings.count, 0);
	model_free(m);
}

static void files_that_are_not_there_any_more(void)
{
	struct model *m = held();

	m->resources.items[0].is_deleted = true;
	CU_ASSERT_EQUAL(found(m, FINDING_STALE_FILE), 1);
	m = held();
	m->resources.items[0].is_deleted = m->resources.items[0].is_replaced = true;
	CU_ASSERT_EQUAL(found(m, FINDING_STALE_FILE), 1);
	m = held(); /* who replaced it gives it up soon: the others look again */
	m->resources.items[0].is_replaced = true;
	m->locks.items[1].since_ns = 99 * SECOND;
	CU_ASSERT_EQUAL(found(m, FINDING_STALE_FILE), 0);
	CU_ASSERT_EQUAL(found(held(), FINDING_STALE_FILE), 0);
}

static void owners_that_are_gone(void)
{
	struct model *m = held();

	m->locks.items[0].taker = 9;
	m->locks.items[0].has_taker_ended = true;
	CU_ASSERT_EQUAL(found(m, FINDING_INHERITED_LOCK), 1);
	m = held(); /* passed on, but who took it is still there */
	m->locks.items[0].taker = 9;
	CU_ASSERT_EQUAL(found(m, FINDING_INHERITED_LOCK), 0);
	for (int is_mutex = 0; is_mutex < 2; is_mutex++) {
		m = held();
		m->resources.items[0].kind = is_mutex ? RESOURCE_MEMORY : RESOURCE_FILE;
		m->locks.items[0].kind = m->locks.items[1].kind = is_mutex ? LOCK_MUTEX : LOCK_OFD;
		m->locks.items[0].process = m->locks.items[0].thread = MODEL_NONE;
		m->locks.items[0].unowned = "thread 7 has it, and has ended";
		CU_ASSERT_EQUAL(found(m, FINDING_DEAD_OWNER), (uint32_t)is_mutex);
	}
}

static const struct unit_test tests[] = {
	{"a holder that is blocked while others wait", a_holder_that_is_blocked},
	{"a holder that is at work, or for which nobody waits for long", a_holder_that_is_at_work},
	{"a holder that waits for its child", a_holder_that_waits_for_its_child},
	{"idle servers that queue are silent", a_queue_of_idle_servers},
	{"thresholds of long-hold and long-wait", thresholds},
	{"waiting on a file that was replaced", files_that_are_not_there_any_more},
	{"owners that are gone", owners_that_are_gone},
	{NULL, NULL},
};
const struct unit_suite unit_analysis_hold = {tests};
