/* What the sources share: processes and resources, found again or added. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collector/source.h"

static const char deleted[] = " (deleted)";

/* The path without the kernel's remark that its file is gone. */
static const char *strip_deleted(struct model *m, const char *path, bool *is_deleted)
{
	size_t length = strlen(path), tail = strlen(deleted);

	*is_deleted = length > tail && !strcmp(path + length - tail, deleted);
	return *is_deleted ? model_stringf(m, "%.*s", (int)(length - tail), path)
			   : model_string(m, path);
}

void gather_done(struct gather *g)
{
	index_done(&g->processes);
	index_done(&g->resources);
	free(g->tombstones);
	g->tombstones = NULL;
}

void gather_path(struct gather *g, uint32_t resource, const char *path)
{
	struct model_resource *r = &g->m->resources.items[resource];

	if (!r->path[0])
		r->path = strip_deleted(g->m, path, &r->is_deleted);
}

uint32_t gather_resource(struct gather *g, uint64_t dev, uint64_t ino, const char *path)
{
	struct model *m = g->m;

	for (uint32_t e = index_first(&g->resources, ino); e != UINT32_MAX;
	     e = index_next(&g->resources, e)) {
		uint32_t known = g->resources.entries[e].value;

		if (m->resources.items[known].dev == dev) {
			gather_path(g, known, path);
			return known;
		}
	}
	uint32_t i = model_add_resource(m);

	if (i == MODEL_NONE)
		return i;
	m->resources.items[i].dev = dev;
	m->resources.items[i].ino = ino;
	gather_path(g, i, path);
	index_add(&g->resources, ino, i);
	return i;
}

static uint32_t find_live(const struct gather *g, pid_t pid)
{
	for (uint32_t e = index_first(&g->processes, pid); e != UINT32_MAX;
	     e = index_next(&g->processes, e))
		if (g->m->processes.items[g->processes.entries[e].value].state == PROCESS_LIVE)
			return g->processes.entries[e].value;
	return MODEL_NONE;
}

bool gather_name(struct gather *g, uint32_t process)
{
	struct model_process *p = &g->m->processes.items[process];
	char exe[PATH_MAX] = "";
	struct proc_stat st;
	bool is_deleted;

	/* Only what shows the name is read: there may be thousands. */
	if (!proc_readlink(g->proc, exe, sizeof(exe), "%d/exe", p->pid)) {
		p->exe = p->name = strip_deleted(g->m, exe, &is_deleted);
		return true;
	}
	if (proc_read_stat(g->proc, p->pid, &st) || st.state == 'Z' || st.state == 'X')
		return false;
	p->name = model_stringf(g->m, "[%s]", st.comm);
	return true;
}

uint32_t gather_process(struct gather *g, pid_t pid)
{
	struct model *m = g->m;
	uint32_t i = find_live(g, pid);

	if (i != MODEL_NONE)
		return i;
	i = model_add_process(m);
	if (i == MODEL_NONE)
		return i;
	m->processes.items[i].pid = pid;
	m->processes.items[i].state = PROCESS_LIVE;
	if (!gather_name(g, i)) {
		m->processes.count--; /* nobody knows of it yet */
		return MODEL_NONE;
	}
	index_add(&g->processes, pid, i);
	return i;
}
