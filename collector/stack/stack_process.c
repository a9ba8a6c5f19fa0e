/* The processes whose stacks are resolved: modules and unwinders, made when they are needed. */
#include "config.h"

#include "collector/stack/stack_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNWINDERS_KEPT 16 /* each is some 100 KiB */

struct segment *stack_segment(const struct stacks *s, uint32_t process)
{
	return process < s->segment_count ? s->segments[process] : NULL;
}

/* By whose number /proc shows the modules of a living process: a main thread that has ended has
 * none. */
static pid_t find_living(const struct stacks *s, pid_t pid)
{
	pid_t living = pid;
	char text[64];
	int *tids;

	if (proc_read_some(s->proc, text, sizeof(text), "%d/maps", (int)pid) != 0)
		return pid;
	ssize_t count = proc_list(s->proc, &tids, "%d/task", (int)pid);

	for (ssize_t i = 0; i < count && living == pid; i++)
		if (proc_read_some(s->proc, text, sizeof(text), "%d/maps", tids[i]) > 0)
			living = tids[i];
	if (count >= 0)
		free(tids);
	return living;
}

static struct process_stacks *load_process(struct stacks *s, uint32_t process)
{
	const struct model_process *p = &s->m->processes.items[process];
	struct process_stacks *ps = calloc(1, sizeof(*ps));
	struct segment *segment = stack_segment(s, process);
	int error = -ENOMEM;

	if (ps && s->core && process == s->core_process)
		error = modules_load_core(&ps->modules, s->images, segment, s->core, s->core_exe);
	else if (ps)
		error = modules_begin(&ps->modules, s->images, s->proc, segment,
				      p->state == PROCESS_LIVE ? find_living(s, p->pid) : 0);
	if (!error)
		return ps;
	free(ps);
	return NULL;
}

struct process_stacks *stack_process_recorded(struct stacks *s, uint32_t process)
{
	if (process >= s->m->processes.count) /* a stack of somebody who is not shown */
		return NULL;
	if (process >= s->process_count) {
		uint32_t count = s->m->processes.count;
		struct process_stacks **grown = reallocarray(s->processes, count, sizeof(*grown));
		if (!grown)
			return NULL;
		memset(grown + s->process_count, 0, (count - s->process_count) * sizeof(*grown));
		s->processes = grown;
		s->process_count = count;
	}
	if (!s->processes[process])
		s->processes[process] = load_process(s, process);
	return s->processes[process];
}

struct process_stacks *stack_process(struct stacks *s, uint32_t process)
{
	struct process_stacks *ps = stack_process_recorded(s, process);

	return ps && !modules_complete(&ps->modules) ? ps : NULL;
}

static void drop_oldest_unwinder(struct stacks *s)
{
	struct process_stacks *oldest = NULL;

	for (uint32_t i = 0; i < s->process_count; i++) {
		struct process_stacks *ps = s->processes[i];
		if (ps && ps->unwinder && (!oldest || ps->used < oldest->used))
			oldest = ps;
	}
	unwinder_free(oldest->unwinder);
	oldest->unwinder = NULL;
	s->unwinder_count--;
}

struct unwinder *stack_unwinder(struct stacks *s, struct process_stacks *ps)
{
	if (!ps->unwinder) {
		if (s->unwinder_count >= UNWINDERS_KEPT)
			drop_oldest_unwinder(s);
		ps->unwinder = unwinder_new(&ps->modules);
		s->unwinder_count += ps->unwinder != NULL;
	}
	ps->used = ++s->clock;
	return ps->unwinder;
}

void stack_processes_free(struct stacks *s)
{
	for (uint32_t i = 0; i < s->process_count; i++) {
		if (!s->processes[i])
			continue;
		unwinder_free(s->processes[i]->unwinder);
		modules_done(&s->processes[i]->modules);
		free(s->processes[i]);
	}
	free(s->processes);
}
