/*
 * How the processes that are shown see themselves: their pid in a namespace of their own, and their
 * root directory where it is not ours. Links of /proc; nothing else is touched.
 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "collector/proc/crew.h"
#include "collector/source/source.h"

/* Two links of each cost some 5 us. */
#define PROCESSES_MAX 256

struct view {
	uint32_t process;
	pid_t pid, ns_pid;
	char *root; /* malloc'ed, NULL: ours, or not to be seen */
};

struct views {
	const struct proc *proc;
	struct view *items;
	uint32_t count;
	char our_pids[64];
};

/* "NSpid:\t3301\t7": as the namespaces see it, from that of /proc down to its own. */
static pid_t read_ns_pid(const struct proc *proc, pid_t pid)
{
	char text[2048];

	if (proc_read_some(proc, text, sizeof(text), "%d/status", pid) <= 0)
		return 0;
	char *line = strstr(text, "\nNSpid:");

	if (!line)
		return 0;
	line[1 + strcspn(line + 1, "\n")] = 0;
	const char *last = strrchr(line, '\t');

	return last && atoi(last + 1) != pid ? atoi(last + 1) : 0;
}

static void look(void *data, uint32_t item)
{
	const struct views *all = data;
	struct view *v = &all->items[item];
	char link[PATH_MAX];

	if (!proc_readlink(all->proc, link, sizeof(link), "%d/ns/pid", v->pid) &&
	    strcmp(link, all->our_pids) != 0)
		v->ns_pid = read_ns_pid(all->proc, v->pid);
	if (!proc_readlink(all->proc, link, sizeof(link), "%d/root", v->pid) && strcmp(link, "/"))
		v->root = strdup(link);
}

/* Processes with locks, as far as they are not too many. */
static uint32_t choose(const struct gather *g, struct views *all)
{
	const struct model *m = g->m;
	bool *is_chosen = calloc(m->processes.count + (size_t)1, sizeof(*is_chosen));
	uint32_t left = 0;

	for (uint32_t i = 0; is_chosen && i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];
		const struct model_process *p =
			l->process == MODEL_NONE ? NULL : &m->processes.items[l->process];

		if (!p || p->state != PROCESS_LIVE || l->evidence == EVIDENCE_STALE ||
		    is_chosen[l->process])
			continue;
		is_chosen[l->process] = true;
		if (all->count == PROCESSES_MAX)
			left++;
		else
			all->items[all->count++] =
				(struct view){.process = l->process, .pid = p->pid};
	}
	free(is_chosen);
	return left;
}

void namespaces_look(struct gather *g)
{
	struct views all = {.proc = g->proc, .items = calloc(PROCESSES_MAX, sizeof(*all.items))};

	if (!all.items ||
	    proc_readlink(g->proc, all.our_pids, sizeof(all.our_pids), "self/ns/pid")) {
		free(all.items);
		return;
	}
	uint32_t left = choose(g, &all);

	crew_run(look, &all, all.count);
	for (uint32_t i = 0; i < all.count; i++) {
		struct view *v = &all.items[i];
		struct model_process *p = &g->m->processes.items[v->process];

		p->ns_pid = v->ns_pid;
		if (v->root)
			p->root = model_string(g->m, v->root);
		free(v->root);
	}
	if (left)
		model_note(g->m,
			   "the roots and pid namespaces of %u more processes were not "
			   "looked at",
			   left);
	free(all.items);
}
