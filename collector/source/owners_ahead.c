/* Names and paths of many, read ahead by several threads; see owners_private.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collector/proc/crew.h"
#include "collector/source/merge.h"
#include "collector/source/owners_private.h"

struct lookup {
	struct kernel_lock *e;
	bool wants_name, wants_path;
	bool wants_proof; /* that the process named still has the description */
	struct process_name name;
	struct held_at at; /* where it was found; at.fd < 0: nowhere */
	int error;         /* of looking at its descriptors */
	char *path;        /* malloc'ed, NULL: not found */
};

struct lookups {
	const struct proc *proc;
	struct lookup *items;
	uint32_t count;
	_Atomic int hint;
};

struct guess {
	const struct lookups *all;
	struct lookup *l;
};

static bool take(const struct held_at *at, const struct kernel_lock *held, void *data)
{
	struct guess *guess = data;
	struct lookup *l = guess->l;
	char path[PATH_MAX];

	if (!(l->wants_proof ? owners_is_same_lock(held, l->e) : owners_is_same_file(held, l->e)))
		return false;
	l->at = *at;
	l->at.link = NULL;
	if (l->wants_path && !held_path(guess->all->proc, at, path, sizeof(path)))
		l->path = strdup(path);
	return true;
}

static void look_up(void *data, uint32_t item)
{
	struct lookups *all = data;
	struct lookup *l = &all->items[item];
	struct guess guess = {all, l};
	pid_t pid = l->e->pid;

	if (l->wants_name)
		process_name_read(all->proc, pid, &l->name);
	if ((!l->wants_path && !l->wants_proof) || l->name.is_gone)
		return;
	if (!held_by_first(all->proc, pid, &all->hint, take, &guess))
		l->error = held_by_process(all->proc, pid, NULL, take, &guess);
}

/* What is known already, or comes with another line, is not asked for again. */
static void want(struct search *s, struct lookups *all, struct kernel_lock *e, struct index *pids,
		 struct index *files)
{
	uint32_t resource = merge_resource(s->g, e);
	struct lookup l = {.e = e, .at.fd = -1};

	if (gather_live_process(s->g, e->pid) == MODEL_NONE &&
	    index_first(pids, e->pid) == UINT32_MAX)
		l.wants_name = index_add(pids, e->pid, 0);
	l.wants_proof = !e->depth && owners_is_shared_kind(e);
	if (!e->depth && resource != MODEL_NONE && !s->g->m->resources.items[resource].path[0] &&
	    index_first(files, resource) == UINT32_MAX)
		l.wants_path = index_add(files, resource, 0);
	if (l.wants_name || l.wants_path || l.wants_proof)
		all->items[all->count++] = l;
}

static void take_lookup(struct search *s, struct lookup *l)
{
	struct kernel_lock *e = l->e;

	if (l->wants_name)
		gather_named_process(s->g, e->pid, &l->name);
	if (l->path) {
		l->at.link = l->path;
		owners_use_path(s, merge_resource(s->g, e), &l->at);
	}
	if (l->at.fd >= 0) {
		e->fd = l->at.fd;
		e->is_confirmed = l->wants_proof;
	}
	/* Nobody can have a READ lease of a file that he has open for writing. */
	if (e->is_breaking && l->at.fd >= 0 && (l->at.flags & O_ACCMODE) != O_RDONLY)
		e->mode = MODE_WRITE;
	/* Where it may not be looked at the kernel's word stands: it took the lock, and it lives.
	 */
	if (l->error == -EACCES || l->error == -EPERM)
		e->is_confirmed = s->is_pathless = true;
	free(l->path);
}

void owners_read_ahead(struct search *s)
{
	struct kernel_locks *k = s->k;
	struct lookups all = {.proc = s->proc,
			      .items = calloc(k->count + (size_t)1, sizeof(*all.items))};
	struct index pids = {0}, files = {0};

	for (uint32_t i = 0; all.items && i < k->count; i++)
		if (k->items[i].lock == MODEL_NONE && !k->items[i].is_outdated &&
		    k->items[i].pid > 0)
			want(s, &all, &k->items[i], &pids, &files);
	crew_run(look_up, &all, all.count);
	for (uint32_t i = 0; i < all.count; i++)
		take_lookup(s, &all.items[i]);
	free(all.items);
	index_done(&pids);
	index_done(&files);
}
