/* The paths of locked files, as the links of descriptors show them: no file is touched. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "collector/source/merge.h"
#include "collector/source/owners_private.h"

#define MINOR_BITS 20 /* as in the kernel's dev_t */

uint64_t owners_mount_device(uint32_t value)
{
	return makedev(value >> MINOR_BITS, value & ((1 << MINOR_BITS) - 1));
}

/* "36 35 98:0 / /mnt ...": the mount's id, its parent's, the device of its superblock. */
void owners_index_mounts(const struct proc *proc, pid_t pid, struct index *mounts)
{
	unsigned id, major_number, minor_number;
	char *text;
	size_t length;

	if (proc_read(proc, &text, &length, "%d/mountinfo", pid))
		return;
	for (char *line = text; *line;) {
		if (sscanf(line, "%u %*u %u:%u", &id, &major_number, &minor_number) == 3 &&
		    !index_add(mounts, id, major_number << MINOR_BITS | minor_number))
			break;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	free(text);
}

/* Not among our mounts: the path is one of another mount namespace. */
static bool is_foreign(const struct search *s, int mnt_id)
{
	return mnt_id >= 0 && s->mounts.count && index_first(&s->mounts, mnt_id) == UINT32_MAX;
}

static bool has_path(const struct search *s, uint32_t resource)
{
	return resource == MODEL_NONE || s->g->m->resources.items[resource].path[0];
}

void owners_use_path(struct search *s, uint32_t resource, const struct held_at *at)
{
	char path[PATH_MAX];

	if (has_path(s, resource) || held_path(s->proc, at, path, sizeof(path)))
		return;
	gather_path(s->g, resource, path);
	if (!is_foreign(s, at->mnt_id))
		return;
	struct index theirs = {0};

	owners_index_mounts(s->proc, at->task, &theirs);
	if (index_first(&theirs, at->mnt_id) != UINT32_MAX)
		s->g->m->resources.items[resource].seen_by = at->pid;
	else if (theirs.count)
		s->g->m->resources.items[resource].is_detached = true;
	index_done(&theirs);
}

struct path_use {
	struct search *s;
	struct kernel_lock *e;
};

static bool use_path(const struct held_at *at, const struct kernel_lock *held, void *data)
{
	const struct path_use *use = data;

	if (!owners_is_same_file(held, use->e))
		return false;
	use->e->fd = at->fd;
	owners_use_path(use->s, merge_resource(use->s->g, use->e), at);
	return true;
}

/* The lock may be gone already, or be a wait: any descriptor of the file tells its path. */
static void find_open_file(struct search *s, pid_t pid, const struct kernel_lock *e,
			   uint32_t resource)
{
	struct held_at at = {.pid = pid, .task = pid};
	int *fds;
	ssize_t count = proc_list(s->proc, &fds, "%d/fdinfo", pid);

	for (ssize_t i = 0; i < count && !has_path(s, resource); i++) {
		at.fd = fds[i];
		if (held_is_open_on(s->proc, pid, fds[i], e->ino, &at.mnt_id))
			owners_use_path(s, resource, &at);
	}
	if (count >= 0)
		free(fds);
}

void owners_find_path(struct search *s, struct kernel_lock *e)
{
	uint32_t resource = merge_resource(s->g, e);
	pid_t pid = s->g->m->processes.items[e->process].pid;
	struct path_use use = {.s = s, .e = e};

	if (has_path(s, resource))
		return;
	int r = held_by_process(s->proc, pid, NULL, use_path, &use);

	/* A process that waits for a lease to be given up has no descriptor of the file yet. */
	if (!has_path(s, resource) && !(e->kind == LOCK_LEASE && e->depth))
		find_open_file(s, pid, e, resource);
	if (r == -EACCES || r == -EPERM)
		s->is_pathless = true;
}

static bool has_successor(const struct model *m, const struct model_resource *gone)
{
	for (uint32_t i = 0; i < m->resources.count; i++)
		if (!m->resources.items[i].is_deleted &&
		    !strcmp(m->resources.items[i].path, gone->path))
			return true;
	return false;
}

void owners_mark_replaced(struct gather *g)
{
	for (uint32_t i = 0; i < g->m->resources.count; i++) {
		struct model_resource *r = &g->m->resources.items[i];

		r->is_replaced = r->is_deleted && r->path[0] && has_successor(g->m, r);
	}
}
