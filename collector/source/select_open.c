/*
 * Targets that hold nothing and wait for nothing, but may be kept from their work by a lock all the
 * same: SQLite, Dovecot, apt and others never wait in the kernel, they are refused, sleep and try
 * again. Who is asleep between two tries cannot be told from who does not try; but that others have
 * locked a file which it has open is a fact, and where to look.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/proc/held.h"
#include "collector/source/select.h"

#define PROCESSES_MAX 16
#define DESCRIPTORS_MAX 256

struct open_files {
	struct gather *g;
	uint8_t *has_locks; /* per process */
	uint8_t *is_locked; /* per resource: somebody holds a lock on it */
	bool *is_kept;      /* per resource */
};

static void find_locks(struct open_files *x)
{
	const struct model *m = x->g->m;

	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->process != MODEL_NONE)
			x->has_locks[l->process] = 1;
		if (l->state == LOCK_HELD && l->evidence != EVIDENCE_STALE)
			x->is_locked[l->resource] = 1;
	}
}

static void look_at(const struct open_files *x, uint32_t process, int fd)
{
	struct gather *g = x->g;
	const struct model_process *p = &g->m->processes.items[process];
	char path[4096];

	if (proc_readlink(g->proc, path, sizeof(path), "%d/fd/%d", p->pid, fd) || path[0] != '/')
		return;
	for (uint32_t i = 0; i < g->m->resources.count; i++) {
		const struct model_resource *r = &g->m->resources.items[i];

		if (!x->is_locked[i] || strcmp(r->path, path) ||
		    !held_is_open_on(g->proc, p->pid, fd, r->ino, NULL))
			continue;
		x->is_kept[i] = true;
		model_note(
			g->m,
			"%s (pid %d) holds no lock and waits for none, but has %s open, which is "
			"locked: a program that only tries again and again cannot be told from "
			"one that does not (lockjam run records its tries)",
			p->name, p->pid, path);
		return;
	}
}

static void look_at_process(const struct open_files *x, uint32_t process)
{
	int *fds;
	ssize_t count = proc_list(x->g->proc, &fds, "%d/fd", x->g->m->processes.items[process].pid);

	if (count < 0)
		return;
	for (ssize_t i = 0; i < count && i < DESCRIPTORS_MAX; i++)
		look_at(x, process, fds[i]);
	free(fds);
}

void select_open(struct gather *g, bool *is_kept)
{
	const struct model *m = g->m;
	struct open_files x = {
		.g = g,
		.is_kept = is_kept,
		.has_locks = calloc(m->processes.count + (size_t)1, 1),
		.is_locked = calloc(m->resources.count + (size_t)1, 1),
	};
	uint32_t done = 0;

	if (x.has_locks && x.is_locked) {
		find_locks(&x);
		for (uint32_t i = 0; i < m->processes.count && done < PROCESSES_MAX; i++) {
			const struct model_process *p = &m->processes.items[i];

			if (!p->is_target || p->has_segment || p->state != PROCESS_LIVE ||
			    x.has_locks[i])
				continue;
			look_at_process(&x, i);
			done++;
		}
	}
	free(x.has_locks);
	free(x.is_locked);
}
