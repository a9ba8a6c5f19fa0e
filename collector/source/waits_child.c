/* Waits for the end of a process: wait4(), waitid(), vfork(). See waits.h. */
#include "config.h"

#include "collector/source/waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Which children are meant. */
struct choice {
	pid_t pid, group; /* as the waiting thread writes them, 0 any */
	const char *how;
};

static pid_t group_of(const struct proc *proc, pid_t pid)
{
	char text[1024];
	int group = 0;

	if (proc_read_some(proc, text, sizeof(text), "%d/stat", pid) <= 0 || !strrchr(text, ')'))
		return 0;
	return sscanf(strrchr(text, ')') + 1, " %*c %*d %d", &group) == 1 ? group : 0;
}

static bool is_chosen(const struct waiting *w, pid_t child, const struct choice *c)
{
	const struct proc *proc = w->all->g->proc;
	unsigned depth = w->task.depth;

	if (c->pid)
		return (depth > 1 ? proc_number_at(proc, child, depth) : child) == c->pid;
	return !c->group || group_of(proc, child) == c->group;
}

/* The children of one thread. How many of them are ways. */
static uint32_t add_children(struct waiting *w, pid_t tid, const struct choice *c)
{
	char *text, *at, *end;
	size_t length;
	uint32_t found = 0;

	if (proc_read(w->all->g->proc, &text, &length, "%d/task/%d/children", w->pid, tid))
		return 0;
	for (at = text;; at = end) {
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at || child <= 0)
			break;
		if (is_chosen(w, child, c))
			found += waiting_way(w, child, 0, c->how);
	}
	free(text);
	return found;
}

/* Each thread may wait for the children of the others. */
static uint32_t add_all_children(struct waiting *w, const struct choice *c)
{
	int *tids;
	ssize_t count = proc_list_tasks(w->all->g->proc, &tids, w->pid);
	uint32_t found = 0;

	waiting_need(w);
	for (ssize_t i = 0; i < count; i++)
		found += add_children(w, tids[i], c);
	if (count >= 0)
		free(tids);
	return found;
}

/* The only way, if there is one. */
static pid_t only_way(const struct waiting *w)
{
	const struct model_need *need = &w->m->needs.items[w->need];

	if (w->need == MODEL_NONE || need->way_count != 1)
		return 0;
	return w->m->processes.items[w->m->ways.items[need->first_way].process].pid;
}

static void wait_for_child(struct waiting *w, const struct choice *c)
{
	uint32_t found = add_all_children(w, c);

	if (only_way(w))
		waiting_is(w, WAIT_CHILD, "the child %s", waits_name(w->all, only_way(w)));
	else if (found)
		waiting_is(w, WAIT_CHILD, "one of its %u children", found);
	else
		waiting_is(w, WAIT_CHILD, "a child");
	if (!found)
		waiting_unseen(w, "no such child is to be seen: it may wait for a process that it "
				  "traces");
}

void waiting_wait4(struct waiting *w)
{
	pid_t pid = (pid_t)w->call.args[0];
	struct choice c = {.pid = pid > 0 ? pid : 0, .how = "is its child"};

	if (pid < -1 && w->task.depth <= 1)
		c.group = -pid;
	else if (pid == 0)
		c.group = group_of(w->all->g->proc, w->pid);
	wait_for_child(w, &c);
}

/* The process that a descriptor of pidfd_open() stands for. */
static pid_t pid_of_descriptor(const struct waiting *w, int fd)
{
	char text[1024];
	const char *line;

	if (proc_read_some(w->all->g->proc, text, sizeof(text), "%d/fdinfo/%d", w->pid, fd) <= 0)
		return 0;
	line = strstr(text, "\nPid:\t");
	return line ? atoi(line + 6) : 0;
}

void waiting_waitid(struct waiting *w)
{
	int id = (int)w->call.args[1];
	struct choice c = {.how = "is its child"};

	switch ((int)w->call.args[0]) {
	case P_PID:
		c.pid = id;
		break;
	case P_PGID:
		c.group = w->task.depth > 1 ? 0 : id ? id : group_of(w->all->g->proc, w->pid);
		break;
	case P_PIDFD:
		c.pid = pid_of_descriptor(w, id);
		if (w->task.depth > 1)
			c.pid = proc_number_at(w->all->g->proc, c.pid, w->task.depth);
		break;
	default:
		break;
	}
	wait_for_child(w, &c);
}

void waiting_vfork(struct waiting *w)
{
	struct choice c = {.how = "runs in its memory until it executes a program or ends"};
	uint32_t found = add_all_children(w, &c);

	waiting_is(w, WAIT_CHILD, "the child of its vfork()");
	if (!found)
		waiting_unseen(w, "no child of it is to be seen");
}
