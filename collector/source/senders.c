/*
 * Who sent the last signal to each handler: a recorded process, or one that runs still. A pid names
 * a process for a time only: one that began after the signal is another's.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "collector/source/signals.h"

/* The last one of the pid that had begun by then; a record has its first moment in start_time. */
static const char *recorded_name(const struct model *m, pid_t pid, uint64_t when_ns, uint64_t hz)
{
	const char *name = NULL;

	for (uint32_t i = 0; i < m->processes.count; i++) {
		const struct model_process *p = &m->processes.items[i];

		if (p->pid == pid && p->has_segment && p->start_time / hz <= when_ns / 1000000000)
			name = p->name;
	}
	return name;
}

static const char *live_name(struct gather *g, pid_t pid, uint64_t when_ns, uint64_t hz)
{
	struct proc_stat st;

	if (!g->m->is_live || proc_is_recorded(g->proc) || proc_read_stat(g->proc, pid, &st) ||
	    st.start_time / hz > when_ns / 1000000000)
		return NULL;
	return model_string(g->m, st.comm);
}

void senders_name(struct gather *g)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	for (uint32_t i = 0; i < g->m->handlers.count; i++) {
		struct model_handler *h = &g->m->handlers.items[i];

		if (!h->by_user || h->last_sender <= 0)
			continue;
		h->sender_name = recorded_name(g->m, h->last_sender, h->last_ns, hz);
		if (!h->sender_name)
			h->sender_name = live_name(g, h->last_sender, h->last_ns, hz);
	}
}
