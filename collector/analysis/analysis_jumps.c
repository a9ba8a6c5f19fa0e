/*
 * jump-out-of-handler: longjmp() or its kin left a handler that had interrupted an unsafe function.
 * The jump itself is safe. But what it cuts off never ends: malloc() keeps the arena's lock,
 * printf() a half written buffer; and POSIX (XSH 2.4.3) leaves every unsafe call undefined from
 * then on.
 *
 * A jump out of code of the program, or of a safe function, cuts off nothing that others share: it
 * is none. Nor is one whose signal the process had sent itself, unless libc had called it (qsort).
 * The same handler of one program is one finding, whatever process it ran in.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"

/* What was cut off: a function of libc, or of the allocator that stands in its place. */
static const char *cut_off(const struct model *m, uint32_t call)
{
	const struct model_call *c = &m->calls.items[call];
	const char *function = analysis_interrupted_unsafe(m, c, c->jumps_out);

	if (function)
		return analysis_plain_name(function);
	if (c->has_interrupted_allocator)
		return c->interrupted ? c->interrupted : "malloc";
	return NULL;
}

static int compare_jumps(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_call *x = &m->calls.items[a], *y = &m->calls.items[b];
	int order = (x->signo > y->signo) - (x->signo < y->signo);

	if (!order)
		order = analysis_compare_programs(m, x->process, y->process);
	return order ? order : analysis_compare_handlers(m, x->handler, y->handler);
}

static void add_site(struct model *m, struct model_finding *f, uint32_t call)
{
	const struct model_call *c = &m->calls.items[call];

	f->count += c->count;
	if (!f->first_ns || (c->first_ns && c->first_ns < f->first_ns))
		f->first_ns = c->first_ns;
	if (c->last_ns > f->last_ns)
		f->last_ns = c->last_ns;
}

static const char *others_text(struct model *m, const uint32_t *calls, uint32_t count,
			       const char *first)
{
	for (uint32_t i = 1; i < count; i++) {
		const char *other = cut_off(m, calls[i]);

		if (strcmp(other, first) != 0)
			return model_stringf(m, ", elsewhere inside %s()", other);
	}
	return "";
}

/* One finding from calls[0..count-1], which have one key. */
static void report(struct model *m, const uint32_t *calls, uint32_t count)
{
	const struct model_call first = m->calls.items[calls[0]];
	const char *function = cut_off(m, calls[0]);
	struct model_finding *f = analysis_add(m, FINDING_JUMP_OUT);
	const char *label = model_stringf(m, "jumped out of the handler of %s",
					  analysis_signal_text(m, first.signo));

	if (!f)
		return;
	const char *held = "";

	for (uint32_t i = 0; i < count; i++) {
		const struct model_call *c = &m->calls.items[calls[i]];

		if (c->held_count && !f->held_count) {
			held = analysis_held_text(m, c);
			analysis_add_held(m, f, c);
		}
		add_site(m, f, calls[i]);
		if (!i ||
		    !analysis_is_same_process(m, c->process, m->calls.items[calls[i - 1]].process))
			analysis_add_process(f, c->process);
		if (c->process == first.process)
			analysis_add_stack(f, c->stack, label);
	}
	analysis_set_handler(m, f, first.handler, first.signo);
	f->function = first.function;
	f->headline = model_stringf(m, "%s left %s, which had interrupted %s(), in %s",
				    model_stringf(m, "%s()", first.function),
				    analysis_handler_text(m, first.handler, first.signo), function,
				    analysis_processes_text(m, f));
	f->evidence = model_stringf(m,
				    "recorded: the stack copied at the jump shows %s() outside the "
				    "signal frame%s; it will never come to its end%s",
				    function, others_text(m, calls, count, function), held);
}

void detect_jumps(struct model *m)
{
	uint32_t count = 0, *jumps = calloc(m->calls.count + (size_t)1, sizeof(*jumps));

	if (!jumps) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->calls.count; i++)
		if (m->calls.items[i].jumps_out && cut_off(m, i))
			jumps[count++] = i;
	analysis_group(m, jumps, count, compare_jumps, report);
	free(jumps);
}
