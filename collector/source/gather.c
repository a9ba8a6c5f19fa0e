/* What the sources share: processes and resources, found again or added. */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/core.h"
#include "collector/source/source.h"

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
	core_close(g->core);
	g->core = NULL;
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

void process_name_read(const struct proc *proc, pid_t pid, struct process_name *name)
{
	char exe[PATH_MAX];
	struct proc_stat st;

	*name = (struct process_name){0};
	/* Only what shows the name is read: there may be thousands. */
	if (!proc_readlink(proc, exe, sizeof(exe), "%d/exe", pid)) {
		name->exe = strdup(exe);
		return;
	}
	pid_t task = proc_live_task(proc, pid);

	/* The main thread may have ended before the others. */
	if (task && task != pid && !proc_readlink(proc, exe, sizeof(exe), "%d/exe", task))
		name->exe = strdup(exe);
	else if (task && !proc_read_stat(proc, pid, &st))
		memcpy(name->comm, st.comm, sizeof(name->comm));
	else if (proc_is_hidden(proc, pid))
		name->is_hidden = true;
	else
		name->is_gone = true;
}

static void set_name(struct gather *g, uint32_t process, struct process_name *name)
{
	struct model_process *p = &g->m->processes.items[process];
	bool is_deleted;

	if (name->exe)
		p->exe = p->name = strip_deleted(g->m, name->exe, &is_deleted);
	else
		p->name = model_stringf(g->m, "[%s]", name->is_hidden ? "hidden" : name->comm);
	if (name->is_hidden)
		model_note(g->m, "/proc hides processes of other users (run as root)");
	free(name->exe);
	name->exe = NULL;
}

void gather_name(struct gather *g, uint32_t process)
{
	struct process_name name;

	process_name_read(g->proc, g->m->processes.items[process].pid, &name);
	if (!name.is_gone)
		set_name(g, process, &name);
}

uint32_t gather_named_process(struct gather *g, pid_t pid, struct process_name *name)
{
	uint32_t i = name->is_gone ? MODEL_NONE : model_add_process(g->m);

	if (i == MODEL_NONE) {
		free(name->exe);
		name->exe = NULL;
		return i;
	}
	g->m->processes.items[i].pid = pid;
	g->m->processes.items[i].state = PROCESS_LIVE;
	set_name(g, i, name);
	index_add(&g->processes, pid, i);
	return i;
}

uint32_t gather_live_process(const struct gather *g, pid_t pid)
{
	for (uint32_t e = index_first(&g->processes, pid); e != UINT32_MAX;
	     e = index_next(&g->processes, e))
		if (g->m->processes.items[g->processes.entries[e].value].state == PROCESS_LIVE)
			return g->processes.entries[e].value;
	return MODEL_NONE;
}

uint32_t gather_process(struct gather *g, pid_t pid)
{
	uint32_t i = gather_live_process(g, pid);
	struct process_name name;

	if (i != MODEL_NONE)
		return i;
	process_name_read(g->proc, pid, &name);
	return gather_named_process(g, pid, &name);
}

uint32_t gather_thread(struct gather *g, uint32_t process, pid_t tid)
{
	struct model *m = g->m;
	uint32_t i = process == MODEL_NONE ? MODEL_NONE : model_find_thread(m, process, tid);

	if (i != MODEL_NONE || process == MODEL_NONE)
		return i;
	i = model_add_thread(m);
	if (i != MODEL_NONE) {
		m->threads.items[i].process = process;
		m->threads.items[i].tid = tid;
	}
	return i;
}
