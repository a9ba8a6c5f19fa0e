/*
 * errno-clobbered: handlers that returned with another errno than they found. The code that they
 * interrupt may stand between a failed call and its look at errno. The same handler of one program
 * is one finding, whatever process it ran in.
 */
#include "config.h"

#include <stdlib.h>

#include "collector/analysis/analysis_detect.h"

/* One finding from handlers[0..count-1], which have one key. */
static void report(struct model *m, const uint32_t *handlers, uint32_t count)
{
	const struct model_handler first = m->handlers.items[handlers[0]];
	struct model_finding *f = analysis_add(m, FINDING_ERRNO_CLOBBERED);
	uint64_t deliveries = 0;

	if (!f)
		return;
	f->first_ns = first.first_ns;
	for (uint32_t i = 0; i < count; i++) {
		const struct model_handler *h = &m->handlers.items[handlers[i]];

		f->count += h->errno_clobbered;
		deliveries += h->deliveries;
		if (h->first_ns < f->first_ns)
			f->first_ns = h->first_ns;
		if (h->last_ns > f->last_ns)
			f->last_ns = h->last_ns;
		if (!i || !analysis_is_same_process(m, h->process,
						    m->handlers.items[handlers[i - 1]].process))
			analysis_add_process(f, h->process);
	}
	analysis_set_handler(m, f, handlers[0], first.signo);
	analysis_add_stack(f, first.stack, "the handler was installed here");
	f->headline = model_stringf(m, "%s returned with another errno in %s (%s became %s)",
				    analysis_handler_text(m, handlers[0], first.signo),
				    analysis_processes_text(m, f),
				    analysis_errno_text(m, first.errno_before),
				    analysis_errno_text(m, first.errno_after));
	f->evidence = model_stringf(
		m, "recorded: errno was compared at both ends of each of %llu deliveries",
		(unsigned long long)deliveries);
}

void detect_errno(struct model *m)
{
	uint32_t count = 0, *handlers = calloc(m->handlers.count + (size_t)1, sizeof(*handlers));

	if (!handlers) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].errno_clobbered)
			handlers[count++] = i;
	analysis_group(m, handlers, count, analysis_compare_dispositions, report);
	free(handlers);
}
