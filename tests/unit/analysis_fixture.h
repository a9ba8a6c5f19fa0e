/* Models made by hand, for the tests of the analysis. */
#ifndef LOCKJAM_TESTS_ANALYSIS_FIXTURE_H
#define LOCKJAM_TESTS_ANALYSIS_FIXTURE_H

#include "collector/analysis/analysis.h"
#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)

static inline struct model *live_model(void)
{
	struct model *m = model_new();

	m->is_live = true;
	m->now_ns = 100 * SECOND;
	return m;
}

/* A live process with one thread, which sleeps. Its thread has the process's index. */
static inline uint32_t add_process(struct model *m, pid_t pid)
{
	uint32_t p = model_add_process(m), t = model_add_thread(m);

	m->processes.items[p].pid = pid;
	m->processes.items[p].name = model_stringf(m, "/bin/p%d", (int)pid);
	m->threads.items[t].process = p;
	m->threads.items[t].tid = pid;
	m->threads.items[t].task_state = 'S';
	return p;
}

static inline uint32_t add_file(struct model *m, const char *path)
{
	uint32_t r = model_add_resource(m);

	m->resources.items[r].path = path;
	m->resources.items[r].ino = r + 1;
	return r;
}

/* A WRITE lock on the whole file, as the kernel tells it. */
static inline struct model_lock *add_lock(struct model *m, enum lock_kind kind,
					  enum lock_state state, uint32_t process,
					  uint32_t resource)
{
	uint32_t i = model_add_lock(m);
	struct model_lock *l = &m->locks.items[i];

	l->kind = kind;
	l->state = state;
	l->mode = MODE_WRITE;
	l->evidence = EVIDENCE_OBSERVED;
	l->process = l->thread = process;
	l->resource = resource;
	l->end = MODEL_TO_EOF;
	l->since_ns = SECOND;
	l->ofd = kind == LOCK_POSIX ? 0 : 1000 + process;
	return l;
}

static inline uint32_t count_kind(const struct model *m, enum finding_kind kind)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->findings.count; i++)
		count += m->findings.items[i].kind == kind;
	return count;
}

/* n processes, each holds its file and waits for the next one's. */
static inline struct model *ring(enum lock_kind kind, uint32_t n)
{
	static const char *const paths[] = {"/a", "/b", "/c", "/d", "/e", "/f"};
	struct model *m = live_model();

	for (uint32_t i = 0; i < n; i++) {
		add_process(m, 10 + (pid_t)i);
		add_file(m, paths[i % 6]);
	}
	for (uint32_t i = 0; i < n; i++) {
		add_lock(m, kind, LOCK_HELD, i, i);
		add_lock(m, kind, LOCK_WAITING, i, (i + 1) % n);
	}
	return m;
}

#endif
