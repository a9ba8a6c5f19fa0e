/*
 * Children that have ended and are not reaped. The kernel does not tell when a process ended, but
 * when it last ran: for one that has ended that is the moment. Where the main thread ended before
 * others did it is earlier, so these are left without a time. A child that is traced by somebody
 * else is not its parent's to reap yet.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/source/signals.h"

#define TIMES_MAX 256 /* zombies whose end is asked for: some 100 us each */

struct search {
	struct gather *g;
	uint32_t timed;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool is_traced(const struct gather *g, pid_t pid)
{
	char text[4096], *line;

	return proc_read_some(g->proc, text, sizeof(text), "%d/status", (int)pid) > 0 &&
	       (line = strstr(text, "\nTracerPid:")) && atoi(line + strlen("\nTracerPid:")) != 0;
}

/* Few processes have zombies, so few are looked for. */
static uint32_t find_parent(const struct search *s, pid_t pid)
{
	const struct model *m = s->g->m;

	for (uint32_t i = 0; i < m->signals.count; i++)
		if (m->processes.items[m->signals.items[i].process].pid == pid)
			return m->signals.items[i].process;
	return MODEL_NONE;
}

static uint64_t ended_ns(struct search *s, pid_t pid)
{
	uint64_t asleep_ns;

	if (s->timed == TIMES_MAX || !proc_asleep_ns(s->g->proc, pid, pid, &asleep_ns))
		return 0;
	s->timed++;
	return now_ns() - asleep_ns;
}

static void look(struct search *s, pid_t pid)
{
	struct gather *g = s->g;
	struct proc_stat st;

	if (proc_read_stat(g->proc, pid, &st) || st.state != 'Z' || st.threads > 1)
		return;
	uint32_t parent = find_parent(s, st.ppid);

	if (parent == MODEL_NONE || is_traced(g, pid))
		return;
	uint64_t ended = ended_ns(s, pid);
	uint32_t i = model_add_zombie(g->m);

	if (i != MODEL_NONE)
		g->m->zombies.items[i] = (struct model_zombie){.parent = parent,
							       .pid = pid,
							       .name = model_string(g->m, st.comm),
							       .ended_ns = ended};
}

void zombies_read(struct gather *g)
{
	struct search s = {.g = g};
	int *pids = NULL;
	ssize_t count = g->m->signals.count ? proc_list(g->proc, &pids, "%s", "") : -1;

	for (ssize_t i = 0; i < count; i++)
		look(&s, pids[i]);
	if (count >= 0)
		free(pids);
}
