/*
 * sigpipe-default: a server that was ended by SIGPIPE, a warning; and one that lives, serves
 * connections and would be, a note: whether it sends with MSG_NOSIGNAL nobody sees.
 *
 * A server is who called listen() itself, or has accepted a connection to a socket that it listens
 * on. Of a child that has one connection and its listener from its parent, the end is what it is
 * meant to come to; with several connections it is not.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>

#include "collector/analysis/analysis_detect.h"

static void report_end(struct model *m, const uint32_t *items, uint32_t count)
{
	struct model_finding *f = analysis_add(m, FINDING_SIGPIPE_DEFAULT);
	const struct model_process first = m->processes.items[items[0]];

	if (!f)
		return;
	f->count = count;
	f->signo = SIGPIPE;
	f->first_ns = f->last_ns = first.ended_ns;
	for (uint32_t i = 0; i < count; i++)
		analysis_add_process(f, items[i]);
	f->headline = model_stringf(m, "%s, a server, was ended by SIGPIPE",
				    analysis_processes_text(m, f));
	f->evidence = model_stringf(
		m, "recorded: it had called listen() %u time%s; who waited for it was told SIGPIPE",
		first.listens, first.listens == 1 ? "" : "s");
}

static void report_default(struct model *m, const uint32_t *items, uint32_t count)
{
	struct model_finding *f = analysis_add(m, FINDING_SIGPIPE_DEFAULT);
	const struct model_signals first = m->signals.items[items[0]];

	if (!f)
		return;
	f->severity = SEVERITY_NOTE;
	f->count = count;
	f->signo = SIGPIPE;
	for (uint32_t i = 0; i < count; i++)
		analysis_add_process(f, m->signals.items[items[i]].process);
	f->headline = model_stringf(m, "SIGPIPE would end %s, which serves connections",
				    analysis_processes_text(m, f));
	f->evidence = model_stringf(
		m,
		"observed: SIGPIPE has its default action and is not blocked; it has %u "
		"connection%s "
		"to a socket on which it listens%s; whether it sends with MSG_NOSIGNAL is not seen",
		first.accepted, first.accepted == 1 ? "" : "s",
		first.shares_listener ? " with its parent" : "");
}

static int compare_servers(const struct model *m, uint32_t a, uint32_t b)
{
	return analysis_compare_programs(m, m->signals.items[a].process,
					 m->signals.items[b].process);
}

static bool is_at_risk(const struct model_signals *s)
{
	return s->accepted > (s->shares_listener ? 1 : 0);
}

void detect_pipes(struct model *m)
{
	size_t room =
		(m->signals.count > m->processes.count ? m->signals.count : m->processes.count) +
		(size_t)1;
	uint32_t count = 0, *items = calloc(room, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->processes.count; i++)
		if (m->processes.items[i].killed_by == SIGPIPE && m->processes.items[i].listens)
			items[count++] = i;
	analysis_group(m, items, count, analysis_compare_programs, report_end);
	count = 0;
	for (uint32_t i = 0; i < m->signals.count; i++)
		if (is_at_risk(&m->signals.items[i]))
			items[count++] = i;
	analysis_group(m, items, count, compare_servers, report_default);
	free(items);
}
