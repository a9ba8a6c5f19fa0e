/*
 * errno-clobbered: handlers that returned with another errno than they found. The code that they
 * interrupt may stand between a failed call and its look at errno.
 */
#include "config.h"

#include "collector/analysis_detect.h"

static void report(struct model *m, uint32_t handler)
{
	const struct model_handler h = m->handlers.items[handler];
	struct model_finding *f = analysis_add(m, FINDING_ERRNO_CLOBBERED);

	if (!f)
		return;
	f->count = h.errno_clobbered;
	f->first_ns = h.first_ns;
	f->last_ns = h.last_ns;
	analysis_add_process(f, h.process);
	analysis_add_stack(f, h.stack, "the handler was installed here");
	f->headline = model_stringf(
		m, "%s returned with another errno in %s (%s became %s)",
		analysis_handler_text(m, handler, h.signo), analysis_process_text(m, h.process),
		analysis_errno_text(m, h.errno_before), analysis_errno_text(m, h.errno_after));
	f->evidence = model_stringf(
		m, "recorded: errno was compared at both ends of each of %llu deliveries",
		(unsigned long long)h.deliveries);
}

void detect_errno(struct model *m)
{
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (m->handlers.items[i].errno_clobbered)
			report(m, i);
}
