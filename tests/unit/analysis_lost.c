/* posix-lock-dropped and its kin, on models made by hand: when it is an error, a warning, a note or nothing. */
#include <string.h>

#include "tests/unit/analysis_fixture.h"

/* Two processes and a file; the first lost its lock on it at 10 s and lives. */
static struct model *lost_model(enum lost_how how)
{
	struct model *m = live_model();

	add_process(m, 10);
	add_process(m, 11);
	add_file(m, "/f");
	uint32_t i = model_add_lost(m);
	struct model_lost *l = &m->losses.items[i];

	l->process = 0;
	l->how = how;
	l->mode = MODE_WRITE;
	l->resource = 0;
	l->end_byte = MODEL_TO_EOF;
	l->first_ns = l->lost_ns = 10 * SECOND;
	l->count = 1;
	return m;
}

static void ends(struct model *m, enum lost_end end, uint64_t after_ns)
{
	struct model_lost *l = &m->losses.items[0];

	l->end = end;
	l->ended_ns = l->lost_ns + after_ns;
	l->longest_ns = after_ns;
	l->unlocked = end == LOST_UNLOCKED;
}

/* The severity of the only finding, -1 if there is none. */
static int severity_of(struct model *m)
{
	CU_ASSERT_PTR_NULL(model_check(m));
	analyse(m);
	int severity = m->findings.count ? (int)m->findings.items[0].severity : -1;

	CU_ASSERT(m->findings.count <= 1);
	model_free(m);
	return severity;
}

static void somebody_got_it(void)
{
	struct model *m = lost_model(LOST_CLOSE);

	ends(m, LOST_UNLOCKED, 1000);
	m->losses.items[0].other = 1;
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	const struct model_finding *f = &m->findings.items[0];

	CU_ASSERT_EQUAL(f->kind, FINDING_POSIX_LOCK_DROPPED);
	CU_ASSERT_EQUAL(f->severity, SEVERITY_ERROR);
	CU_ASSERT_EQUAL(f->process_count, 2);
	CU_ASSERT_STRING_EQUAL(f->headline, "/bin/p10 (pid 10) lost its WRITE lock on /f by a "
					    "close(), and /bin/p11 (pid 11) got it");
	CU_ASSERT_STRING_EQUAL(f->evidence, "recorded: it was unlocked 0ms later; meanwhile /bin/p11 "
					    "(pid 11) got a lock against it");
	model_free(m);
	m = lost_model(LOST_CLOSE);
	ends(m, LOST_CLOSED, 1000);
	m->losses.items[0].other_pid = 4711;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_ERROR);
}

/* A lock that is held now says it, too: if it is younger, of another process, and goes against it. */
static void somebody_holds_it(void)
{
	struct model *m = lost_model(LOST_CLOSE);

	add_lock(m, LOCK_POSIX, LOCK_HELD, 1, 0)->since_ns = 11 * SECOND;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_ERROR);
	m = lost_model(LOST_CLOSE);
	add_lock(m, LOCK_POSIX, LOCK_HELD, 1, 0)->since_ns = 9 * SECOND;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE);
	add_lock(m, LOCK_FLOCK, LOCK_HELD, 1, 0)->since_ns = 11 * SECOND;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE);
	add_lock(m, LOCK_POSIX, LOCK_HELD, 0, 0)->since_ns = 11 * SECOND;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE);
	ends(m, LOST_UNLOCKED, SECOND / 2);
	add_lock(m, LOCK_POSIX, LOCK_HELD, 1, 0)->since_ns = 11 * SECOND;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE);
	m->losses.items[0].end_byte = 9;
	struct model_lock *k = add_lock(m, LOCK_POSIX, LOCK_HELD, 1, 0);
	k->since_ns = 11 * SECOND;
	k->start = 10;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE);
	m->losses.items[0].mode = MODE_READ;
	k = add_lock(m, LOCK_POSIX, LOCK_HELD, 1, 0);
	k->since_ns = 11 * SECOND;
	k->mode = MODE_READ;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
}

static void for_a_moment_or_for_long(void)
{
	struct model *m = lost_model(LOST_CLOSE);

	ends(m, LOST_UNLOCKED, SECOND / 1000);
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_NOTE);
	m = lost_model(LOST_CLOSE);
	ends(m, LOST_UNLOCKED, SECOND);
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE);
	ends(m, LOST_CLOSED, SECOND / 1000);
	CU_ASSERT_EQUAL(severity_of(m), -1);
	m = lost_model(LOST_CLOSE);
	ends(m, LOST_CLOSED, SECOND);
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
	m = lost_model(LOST_CLOSE); /* it ended at once */
	m->processes.items[0].state = PROCESS_EXITED;
	m->processes.items[0].ended_ns = 10 * SECOND + 1000;
	CU_ASSERT_EQUAL(severity_of(m), -1);
	m = lost_model(LOST_CLOSE); /* it went on, and was killed */
	m->processes.items[0].state = PROCESS_KILLED;
	m->processes.items[0].last_ns = 11 * SECOND;
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
}

/* A close of the lock's own descriptor is meant, unless an unlock comes. */
static void a_duplicate_is_left(void)
{
	struct model *m = lost_model(LOST_DUP);

	m->losses.items[0].other = 1;
	CU_ASSERT_EQUAL(severity_of(m), -1);
	m = lost_model(LOST_DUP);
	ends(m, LOST_UNLOCKED, SECOND);
	CU_ASSERT_EQUAL(severity_of(m), SEVERITY_WARNING);
}

static void what_was_never_held(void)
{
	struct model *m = lost_model(LOST_NEVER);

	ends(m, LOST_UNLOCKED, 0);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_UNLOCK_NOT_HELD);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_NOTE);
	model_free(m);
	m = lost_model(LOST_FORK);
	ends(m, LOST_UNLOCKED, SECOND);
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].kind, FINDING_LOCK_NOT_INHERITED);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_WARNING);
	model_free(m);
}

/* Equal servers on one file are one finding, and the worst of them is told. */
static void equal_programs(void)
{
	struct model *m = lost_model(LOST_CLOSE);

	for (uint32_t i = 0; i < 20; i++) {
		uint32_t p = add_process(m, 100 + (pid_t)i), at = model_add_lost(m);

		m->processes.items[p].exe = m->processes.items[0].exe = "/bin/server";
		m->losses.items[at] = m->losses.items[0];
		m->losses.items[at].process = p;
		m->losses.items[at].other_pid = i == 7 ? 4711 : 0;
	}
	analyse(m);
	CU_ASSERT_EQUAL_FATAL(m->findings.count, 1);
	CU_ASSERT_EQUAL(m->findings.items[0].severity, SEVERITY_ERROR);
	CU_ASSERT_EQUAL(m->findings.items[0].count, 21);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->findings.items[0].headline, "(pid 107)"));
	model_free(m);
}

static const struct unit_test tests[] = {
	{"somebody got it: an error", somebody_got_it},
	{"somebody holds it, or only seems to", somebody_holds_it},
	{"for a moment or for long, until what", for_a_moment_or_for_long},
	{"a duplicate of the closed descriptor is left", a_duplicate_is_left},
	{"unlocks of what the parent had, or nobody", what_was_never_held},
	{"equal programs are one finding, the worst is told", equal_programs},
	{NULL, NULL},
};

const struct unit_suite unit_analysis_lost = {tests};
