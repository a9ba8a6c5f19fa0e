/*
 * The handlers of signals as text: one paragraph each, the worst on top.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/render_text.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "collector/arch/blocking_call.h"
#include "collector/arch/syscall_name.h"
#include "collector/model/findings.h"

#define SIGNALS_SHOWN 50
#define INTERRUPTED_SHOWN 4

static void put_function(const struct view *v, const struct model_handler *h)
{
	struct model_frame f = {.kind = FRAME_CALL,
				.pc = h->address,
				.function = h->function,
				.file = h->file,
				.line = h->line,
				.module = h->module};

	text_site(v, &f);
}

static void put_deliveries(const struct view *v, const struct model_handler *h)
{
	char buffer[TEXT_SIZE], most[TEXT_SIZE];

	if (h->deliveries == 0) {
		fputs("    never delivered\n", v->out);
		return;
	}
	fprintf(v->out, "    %s", text_count(buffer, h->deliveries, "delivery"));
	fprintf(v->out, " (%" PRIu64 " by user, %" PRIu64 " by timer, %" PRIu64 " by kernel)",
		h->by_user, h->by_timer, h->by_kernel);
	fprintf(v->out, ", %s in all, longest %s", text_duration(buffer, h->total_ns),
		text_duration(most, h->max_ns));
	if (h->max_depth > 1)
		fprintf(v->out, ", nested %u deep", h->max_depth);
	if (h->by_user)
		fprintf(v->out, ", last from pid %d", h->last_sender);
	if (h->by_user && h->sender_name) {
		fputs(" (", v->out);
		text_put(v->out, h->sender_name);
		fputc(')', v->out);
	}
	fputc('\n', v->out);
}

static void put_calls(const struct view *v, uint32_t handler)
{
	uint32_t count;
	struct handler_call *calls = signals_calls(v->model, handler, false, &count);

	for (uint32_t i = 0; i < count; i++) {
		fprintf(v->out, "    called %s ", calls[i].function);
		if (calls[i].count == 1)
			fputs("once", v->out);
		else
			fprintf(v->out, "%" PRIu64 " times", calls[i].count);
		if (calls[i].reentered)
			fprintf(v->out, ", %" PRIu64 " of them inside the interrupted allocator",
				calls[i].reentered);
		else if (calls[i].is_safe_in_libc)
			fputs(" (safe in glibc, not by POSIX)", v->out);
		else
			fputs(" (not async-signal-safe)", v->out);
		if (calls[i].why && !calls[i].is_safe_in_libc)
			fprintf(v->out, ": it %s", calls[i].why);
		fputc('\n', v->out);
	}
	free(calls);
}

/* The locks that code held which it came into. */
static void put_locks(struct view *v, uint32_t handler)
{
	for (uint32_t i = 0; i < v->model->uses.count; i++) {
		const struct model_use u = v->model->uses.items[i];
		const struct model_frame *site;
		char buffer[TEXT_SIZE];

		if (u.handler != handler || u.role != USE_INTERRUPTED)
			continue;
		site = view_site(v, u.stack);
		fprintf(v->out, "    %s came while ", text_count(buffer, u.count, "delivery"));
		fprintf(v->out, "the %s lock (%s, %s) of ", u.mode == MODE_WRITE ? "WRITE" : "READ",
			text_lock_kind(u.kind), text_range(buffer, u.start, u.end));
		if (u.file[0])
			text_put(v->out, u.file);
		else
			fprintf(v->out, "file %" PRIx64 ":%" PRIu64, u.dev, u.ino);
		fputs(" was held", v->out);
		if (site) {
			fputs(", taken in ", v->out);
			text_site(v, site);
		}
		fputs(u.dropped ? "; it was lost in the handler\n" : "\n", v->out);
	}
}

static void put_jumps(const struct view *v, uint32_t handler)
{
	uint32_t count;
	struct handler_call *jumps = signals_calls(v->model, handler, true, &count);
	char buffer[TEXT_SIZE];

	for (uint32_t i = 0; i < count; i++)
		fprintf(v->out, "    left by %s %s\n", jumps[i].function,
			jumps[i].count == 1 ? "once" : text_count(buffer, jumps[i].count, "time"));
	free(jumps);
}

static void put_interrupted(const struct view *v, uint32_t handler)
{
	const char *functions[INTERRUPTED_SHOWN];
	uint32_t count = signals_interrupted(v->model, handler, functions, INTERRUPTED_SHOWN);

	for (uint32_t i = 0; i < count; i++) {
		fputs(i ? ", " : "    these calls interrupted ", v->out);
		text_put(v->out, functions[i]);
	}
	if (count)
		fputc('\n', v->out);
}

static void put_safe_calls(const struct view *v, const struct model_handler *h)
{
	if (h->safe_calls && *h->safe_calls)
		fprintf(v->out, "    called %s (safe)\n", h->safe_calls);
}

/* What is wrong with it, the worst first. */
static void put_findings(const struct view *v, uint32_t handler)
{
	const struct model *m = v->model;

	for (int severity = SEVERITY_ERROR; severity >= SEVERITY_NOTE; severity--)
		for (uint32_t i = 0; i < m->findings.count; i++) {
			const struct model_finding *f = &m->findings.items[i];

			if ((int)f->severity != severity || !signals_is_about(m, f, handler))
				continue;
			fprintf(v->out, "    %s [%s]: ", severity_name(f->severity),
				finding_info(f->kind)->id);
			text_put(v->out, f->headline);
			fputc('\n', v->out);
		}
}

static void put_ways(const struct view *v, uint32_t ways)
{
	const char *between = ", with ";

	for (uint32_t way = 1; way <= WAYS_KNOWN; way <<= 1) {
		if (!(ways & way))
			continue;
		fprintf(v->out, "%s%s", between,
			way == WAY_CHANGE ? "a change of its flags" : signals_way(way));
		if (way != WAY_CHANGE)
			fputs("()", v->out);
		between = ", ";
	}
}

/* Where it was installed first; nothing without a stack. */
static void put_installed(struct view *v, uint32_t handler)
{
	uint32_t installs = v->model->handlers.items[handler].installs;
	uint32_t ways = v->model->handlers.items[handler].ways;
	const struct model_frame *site = view_site(v, v->model->handlers.items[handler].stack);

	if (!site)
		return;
	fputs("    installed by ", v->out);
	text_site(v, site);
	if (installs > 1)
		fprintf(v->out, ", %u times", installs);
	if (ways & ~(uint32_t)WAY_SIGACTION)
		put_ways(v, ways);
	fputc('\n', v->out);
	if (v->show_all)
		text_frames(v, v->model->handlers.items[handler].stack, 6);
}

/* The calls that it came into and that went on afterwards. */
static void put_interruptions(const struct view *v, uint32_t handler)
{
	for (uint32_t i = 0; i < v->model->interruptions.count; i++) {
		const struct model_interruption *x = &v->model->interruptions.items[i];
		const uint64_t args[6] = {x->args[0], x->args[1]};
		const struct blocking_call *call = blocking_call_find(x->syscall, args);
		char buffer[TEXT_SIZE];

		if (x->handler != handler || !call || !x->count)
			continue;
		fprintf(v->out, "    %s came before or into %s()",
			text_count(buffer, x->count, "delivery"), syscall_name(call->number));
		if (syscall_has_descriptor(call->number))
			fprintf(v->out, " on descriptor %d", (int)x->args[0]);
		fputs(", which went on waiting", v->out);
		if (x->waited_ns)
			fprintf(v->out, ", for %s at least", text_duration(buffer, x->waited_ns));
		fprintf(v->out, "%s\n",
			x->acted == x->count ? ": the handler did more than to set a flag" : "");
	}
}

/* The calls that it ended with EINTR. */
static void put_endings(const struct view *v, uint32_t handler)
{
	for (uint32_t i = 0; i < v->model->interruptions.count; i++) {
		const struct model_interruption *x = &v->model->interruptions.items[i];
		char buffer[TEXT_SIZE];

		if (x->handler != handler || !x->ended || !syscall_name(x->syscall))
			continue;
		fprintf(v->out, "    %s ended %s()", text_count(buffer, x->ended, "delivery"),
			syscall_name(x->syscall));
		if (syscall_has_descriptor(x->syscall) && (int)x->args[0] >= 0)
			fprintf(v->out, " on descriptor %d", (int)x->args[0]);
		fprintf(v->out, " with EINTR%s\n",
			x->ended_acted == x->ended ? ": the handler did more than to set a flag"
						   : "");
	}
}

static void put_handler(struct view *v, uint32_t handler)
{
	/* A copy: naming a stack may move the model's arrays. */
	const struct model_handler copy = v->model->handlers.items[handler], *h = &copy;
	char name[TEXT_SIZE], text[1024], before[TEXT_SIZE], after[TEXT_SIZE];

	fprintf(v->out, "%s ", text_signal(name, h->signo));
	put_function(v, h);
	fputs(", ", v->out);
	text_process(v, h->process);
	fprintf(v->out, "%s\n",
		h->is_current  ? ""
		: h->was_reset ? ", reset by SA_RESETHAND: the default action stands there"
			       : ", replaced since");
	fprintf(v->out, "    flags %s", signals_flags(text, sizeof(text), h->flags));
	fprintf(v->out, ", mask %s", signals_mask(text, sizeof(text), h->mask));
	fputc('\n', v->out);
	put_findings(v, handler);
	put_installed(v, handler);
	put_deliveries(v, h);
	put_calls(v, handler);
	put_interrupted(v, handler);
	put_safe_calls(v, h);
	put_jumps(v, handler);
	put_locks(v, handler);
	put_interruptions(v, handler);
	put_endings(v, handler);
	if (h->errno_clobbered)
		fprintf(v->out, "    changed errno %" PRIu64 " times, first from %s to %s\n",
			h->errno_clobbered, signals_errno(before, h->errno_before),
			signals_errno(after, h->errno_after));
}

static void put_group(struct view *v, const struct handler_group *group)
{
	char deliveries[TEXT_SIZE];

	put_handler(v, group->handler);
	if (group->others)
		fprintf(v->out, "    the same in %u more process%s, %s (--all shows them)\n",
			group->others, group->others == 1 ? "" : "es",
			text_count(deliveries, group->deliveries, "delivery"));
}

/* Each handler by itself. */
static void put_all(struct view *v, const uint32_t *order)
{
	for (uint32_t i = 0; i < v->model->handlers.count; i++)
		put_handler(v, order[i]);
}

/* Nothing happened to it, and nothing will. */
static bool is_past(const struct model *m, uint32_t handler)
{
	const struct model_handler *h = &m->handlers.items[handler];

	for (uint32_t i = 0; i < m->findings.count; i++)
		if (signals_is_about(m, &m->findings.items[i], handler))
			return false;
	return !h->is_current && !h->was_reset && !h->deliveries;
}

static void put_groups(struct view *v, const uint32_t *order)
{
	uint32_t count, shown = 0, idle = 0;
	struct handler_group *groups = signals_groups(v->model, order, &count);

	for (uint32_t i = 0; groups && i < count; i++) {
		if (is_past(v->model, groups[i].handler))
			idle++;
		else if (shown++ < SIGNALS_SHOWN)
			put_group(v, &groups[i]);
	}
	if (shown > SIGNALS_SHOWN)
		fprintf(v->out, "and %u more handlers (--all shows them)\n", shown - SIGNALS_SHOWN);
	if (idle)
		fprintf(v->out, "and %u that %s replaced before a signal came (--all shows them)\n",
			idle, idle == 1 ? "was" : "were");
	free(groups);
}

void text_signals(struct view *v)
{
	uint32_t *order = signals_order(v->model);

	if (order && v->show_all)
		put_all(v, order);
	else if (order)
		put_groups(v, order);
	text_pending(v);
	if (v->model->handlers.count == 0 && v->model->signals.count == 0)
		fputs("No handlers of signals were recorded.\n", v->out);
	free(order);
	text_notes(v);
}
