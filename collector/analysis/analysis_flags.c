/*
 * handler-flags: one function is installed for one signal with different flags, by different places
 * of the program. What holds then depends on which place was last.
 *
 * Innocent are: one function for several signals, each with its flags (usual, and exact); two calls
 * at one place (a function that is told the flags by its callers decides for all of them); flags
 * that siginterrupt() changed, or who asked what is installed and put it back changed; flags that
 * change neither what is interrupted nor what stays installed (SA_SIGINFO, SA_ONSTACK,
 * SA_NOCLDSTOP). What is switched to and fro (both were installed more than once) may be meant: a
 * note.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis.h"
#include "collector/analysis/analysis_detect.h"
#include "collector/model/frame.h"

#define TELLING (SA_RESTART | SA_RESETHAND | SA_NODEFER)

static bool is_by_program(const struct model_handler *h)
{
	return h->installs && h->stack != MODEL_NONE && h->ways != WAY_CHANGE;
}

uint32_t analysis_next_flags(const struct model *m, uint32_t handler, uint32_t after)
{
	const struct model_handler *h = &m->handlers.items[handler];

	if (!is_by_program(h))
		return MODEL_NONE;
	/* The records of one process stand together. */
	for (uint32_t i = after + 1; i < m->handlers.count; i++) {
		const struct model_handler *other = &m->handlers.items[i];

		if (other->process != h->process)
			break;
		if (other->signo == h->signo && other->address == h->address &&
		    is_by_program(other) && ((other->flags ^ h->flags) & TELLING))
			return i;
	}
	return MODEL_NONE;
}

/* The inlined frames of one address differ by line only. */
static bool is_same_place(const struct model_frame *a, const struct model_frame *b)
{
	return a->pc == b->pc && a->line == b->line &&
	       !strcmp(a->function ? a->function : "", b->function ? b->function : "");
}

static uint32_t find_twin(const struct model *m, uint32_t handler)
{
	const struct model_frame *here = frame_site(m, m->handlers.items[handler].stack);
	uint32_t i = handler;

	while (here && (i = analysis_next_flags(m, handler, i)) != MODEL_NONE) {
		const struct model_frame *there = frame_site(m, m->handlers.items[i].stack);

		if (there && !is_same_place(here, there))
			return i;
	}
	return MODEL_NONE;
}

/* "with SA_RESTART", "without SA_RESTART": what is special about `flags` beside `others`. */
static const char *flags_text(struct model *m, uint32_t flags, uint32_t others)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {{SA_RESTART, "SA_RESTART"},
		     {SA_RESETHAND, "SA_RESETHAND"},
		     {SA_NODEFER, "SA_NODEFER"}};
	bool has_more = flags & ~others & TELLING;
	uint32_t telling = (has_more ? flags & ~others : others & ~flags) & TELLING;
	const char *text = has_more ? "with" : "without", *between = " ";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(telling & names[i].bit))
			continue;
		text = model_stringf(m, "%s%s%s", text, between, names[i].name);
		between = "|";
	}
	return text;
}

static const char *way_text(const struct model_handler *h)
{
	switch (h->ways) {
	case WAY_SIGACTION:
		return ", by sigaction()";
	case WAY_SIGNAL:
		return ", by signal()";
	case WAY_SYSV_SIGNAL:
		return ", by signal() of System V";
	case WAY_SIGSET:
		return ", by sigset()";
	default:
		return "";
	}
}

static const char *times_text(struct model *m, uint32_t count)
{
	return count == 1 ? "once" : model_stringf(m, "%u times", count);
}

static const char *installed_text(struct model *m, const struct model_handler *h,
				  const struct model_handler *other)
{
	return model_stringf(m, "%s by %s", flags_text(m, h->flags, other->flags),
			     analysis_site_text(m, h->stack));
}

static void report(struct model *m, const uint32_t *items, uint32_t count)
{
	const struct model_handler h = m->handlers.items[items[0]],
				   twin = m->handlers.items[find_twin(m, items[0])];
	struct model_finding *f = analysis_add(m, FINDING_HANDLER_FLAGS);

	if (!f)
		return;
	if (h.installs > 1 && twin.installs > 1)
		f->severity = SEVERITY_NOTE;
	f->count = count;
	for (uint32_t i = 0; i < count; i++)
		analysis_add_process(f, m->handlers.items[items[i]].process);
	analysis_set_handler(m, f, items[0], h.signo);
	analysis_add_stack(f, h.stack, "installed here");
	analysis_add_stack(f, twin.stack, "and with other flags here");
	f->headline = model_stringf(m, "%s is installed %s and %s, in %s",
				    analysis_handler_text(m, items[0], h.signo),
				    installed_text(m, &h, &twin), installed_text(m, &twin, &h),
				    analysis_processes_text(m, f));
	f->evidence = model_stringf(
		m, "recorded: %s the first way%s, %s the other%s; in force %s: %s",
		times_text(m, h.installs), way_text(&h), times_text(m, twin.installs),
		way_text(&twin),
		m->processes.items[h.process].state == PROCESS_LIVE ? "now" : "at its end",
		h.is_current      ? "the first"
		: twin.is_current ? "the other"
				  : "neither");
}

void detect_flags(struct model *m)
{
	uint32_t count = 0, *items = calloc(m->handlers.count + (size_t)1, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (find_twin(m, i) != MODEL_NONE)
			items[count++] = i;
	analysis_group(m, items, count, analysis_compare_dispositions, report);
	free(items);
}
