/*
 * The signals of processes as the kernel tells them: caught, ignored, pending, who could take
 * them, and where SA_RESTART would hide a signal from the program.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/render_text.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "collector/arch/blocking_call.h"
#include "collector/arch/syscall_name.h"
#include "collector/model/findings.h"

#define THREADS_SHOWN 8
#define ZOMBIES_SHOWN 4

static void put_mask(const struct view *v, const char *what, uint64_t mask)
{
	char text[1024];

	if (mask)
		fprintf(v->out, "; %s %s", what, signals_mask(text, sizeof(text), mask));
}

/* A recorded handler's flags are known; of others only that there is one. */
static void put_call(const struct view *v, const struct model_thread *t, uint64_t caught)
{
	const struct blocking_call *call =
		t->syscall < 0 ? NULL : blocking_call_find(t->syscall, t->syscall_args);

	if (!call)
		return;
	fprintf(v->out, ", in %s()", syscall_name(call->number));
	if (!caught)
		return;
	fputs(call->restart == CALL_RESTARTS ? ": goes on waiting after a handler with SA_RESTART"
					     : ": returns EINTR after any handler",
	      v->out);
}

static void put_thread(const struct view *v, uint32_t thread, const struct model_signals *s)
{
	const struct model_thread *t = &v->model->threads.items[thread];

	fprintf(v->out, "    thread %d", (int)t->tid);
	put_call(v, t, s->caught & ~t->blocked);
	put_mask(v, "blocks", t->blocked);
	put_mask(v, "pending for it alone", t->pending);
	put_mask(v, "it alone can take", signals_alone(v->model, s, thread));
	fputc('\n', v->out);
}

static void put_threads(const struct view *v, const struct model_signals *s)
{
	const struct model *m = v->model;
	uint32_t shown = 0, left = 0;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process != s->process || !t->has_signals)
			continue;
		if (v->show_all || shown++ < THREADS_SHOWN)
			put_thread(v, i, s);
		else
			left++;
	}
	if (left)
		fprintf(v->out, "    and %u more threads (--all shows them)\n", left);
}

static void put_pending(const struct view *v, const struct model_signals *s)
{
	const struct model_held_back *held = &v->model->processes.items[s->process].held_back;
	uint64_t stuck = signals_stuck(v->model, s), caught = signals_untakeable(v->model, s);
	char text[1024], duration[TEXT_SIZE];

	if (caught)
		fprintf(v->out, "    caught, but blocked by every thread now: %s\n",
			signals_mask(text, sizeof(text), caught));

	if (stuck)
		fprintf(v->out, "    pending %s: blocked by every thread, nobody can take them\n",
			signals_mask(text, sizeof(text), stuck));
	if (held->signals)
		fprintf(v->out, "    pending %s: for %s at least, at each of %u looks\n",
			signals_mask(text, sizeof(text), held->signals),
			text_duration(duration, held->last_ns - held->since_ns), held->looks);
	if (s->pending & ~stuck)
		fprintf(v->out, "    pending %s: not blocked, on the way\n",
			signals_mask(text, sizeof(text), s->pending & ~stuck));
}

/* "ended and not reaped: sh (pid 12) 4.2s ago, ..." */
static void put_zombies(const struct view *v, uint32_t process)
{
	const struct model *m = v->model;
	uint32_t count = 0;
	char ago[TEXT_SIZE];

	for (uint32_t i = 0; i < m->zombies.count; i++) {
		const struct model_zombie *z = &m->zombies.items[i];

		if (z->parent != process || (count++ >= ZOMBIES_SHOWN && !v->show_all))
			continue;
		fputs(count == 1 ? "    ended and not reaped: " : ", ", v->out);
		text_put(v->out, z->name);
		fprintf(v->out, " (pid %d)", (int)z->pid);
		if (z->ended_ns && z->ended_ns <= m->now_ns)
			fprintf(v->out, " %s ago", text_duration(ago, m->now_ns - z->ended_ns));
	}
	if (count > ZOMBIES_SHOWN && !v->show_all)
		fprintf(v->out, " and %u more", count - ZOMBIES_SHOWN);
	if (count)
		fputc('\n', v->out);
}

static bool is_of_process(const struct view *v, uint32_t finding, uint32_t process)
{
	const struct model_finding *f = &v->model->findings.items[finding];

	return f->signo && !f->handler && view_finding_names(f, process);
}

/* What is found about its signals, and stands with none of its handlers. */
static void put_findings(const struct view *v, uint32_t process)
{
	const struct model *m = v->model;

	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		if (!is_of_process(v, i, process))
			continue;
		fprintf(v->out, "    %s [%s]: ", severity_name(f->severity),
			finding_info(f->kind)->id);
		text_put(v->out, f->headline);
		fputc('\n', v->out);
	}
}

static void put_process(const struct view *v, const struct model_signals *s)
{
	char text[1024];

	text_process(v, s->process);
	fprintf(v->out, "%s, as the kernel has it\n",
		v->model->processes.items[s->process].has_segment ? "" : ": not recorded");
	fprintf(v->out, "    catches %s", signals_mask(text, sizeof(text), s->caught));
	fprintf(v->out, "; ignores %s", signals_mask(text, sizeof(text), s->ignored));
	if (s->queued)
		fprintf(v->out, "; %" PRIu64 " of %" PRIu64 " signals of its user queued",
			s->queued, s->queue_limit);
	fputc('\n', v->out);
	put_findings(v, s->process);
	put_pending(v, s);
	put_zombies(v, s->process);
	put_threads(v, s);
}

/* Of a recorded process the handlers above tell more, unless something is on the way to it. */
static bool is_shown(const struct view *v, const struct model_signals *s)
{
	for (uint32_t i = 0; i < v->model->findings.count; i++)
		if (is_of_process(v, i, s->process))
			return true;
	for (uint32_t i = 0; i < v->model->zombies.count; i++)
		if (v->model->zombies.items[i].parent == s->process)
			return true;
	return v->show_all || s->pending || !v->model->processes.items[s->process].has_segment;
}

void text_pending(struct view *v)
{
	uint32_t *order = signals_process_order(v->model);

	for (uint32_t i = 0; order && i < v->model->signals.count; i++)
		if (is_shown(v, &v->model->signals.items[order[i]]))
			put_process(v, &v->model->signals.items[order[i]]);
	free(order);
}
