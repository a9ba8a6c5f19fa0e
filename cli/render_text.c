/*
 * The text form: holders and waiters in the lines that scripts know, then backtraces.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cli/render.h"
#include "cli/render_text.h"
#include "cli/text.h"
#include "cli/why.h"
#include "collector/model/findings.h"

/* --- pieces -------------------------------------------------------------------------------- */

uint64_t text_real_ns(const struct model *m, uint64_t mono_ns)
{
	return m->now_real_ns - (m->now_ns - mono_ns);
}

void text_process(const struct view *v, uint32_t process)
{
	const struct model_process *p;

	if (process == MODEL_NONE) {
		fputs("? (pid -1)", v->out);
		return;
	}
	p = &v->model->processes.items[process];
	text_put(v->out, *p->name ? p->name : "?");
	fprintf(v->out, " (pid %d)", p->pid);
}

void text_path(const struct view *v, uint32_t resource)
{
	const struct model_resource *r = &v->model->resources.items[resource];
	uint64_t dev = r->kernel_dev ? r->kernel_dev : r->dev;

	if (*r->path)
		text_put(v->out, r->path);
	else if (!r->ino)
		fputs("a file that is not known", v->out);
	else /* as /proc/locks has it */
		fprintf(v->out, "%02x:%02x:%" PRIu64, major(dev), minor(dev), r->ino);
	if (r->is_deleted)
		fputs(" (deleted)", v->out);
}

void text_site(const struct view *v, const struct model_frame *frame)
{
	if (frame->function)
		text_put(v->out, frame->function);
	else
		fprintf(v->out, "0x%" PRIx64, frame->pc);
	if (frame->file) {
		fputs(" at ", v->out);
		text_put(v->out, frame->file);
		fprintf(v->out, ":%d", frame->line);
	} else if (frame->module) {
		fputs(" from ", v->out);
		text_put(v->out, frame->module);
	}
}

/* --- the graph ----------------------------------------------------------------------------- */

static void put_headline(const struct view *v, const struct model_finding *f)
{
	fprintf(v->out, "%s: ", finding_info(f->kind)->title);
	text_put(v->out, f->headline ? f->headline : "");
	fputc('\n', v->out);
}

/* One past the last node of the tree that begins at `first`: holders of one lock, their waiters. */
static uint32_t tree_end(const struct view *v, uint32_t first)
{
	const struct graph *g = &v->graph;
	uint32_t i = first + 1;

	/* Several holders that block one waiter stand one under the other. */
	while (i < g->count && g->nodes[i].depth == 0 && v->is_blocker[g->nodes[i].lock] &&
	       g->nodes[i - 1].depth == 0 && v->is_blocker[g->nodes[i - 1].lock] &&
	       v->model->locks.items[g->nodes[i].lock].resource ==
		       v->model->locks.items[g->nodes[i - 1].lock].resource)
		i++;
	while (i < g->count && g->nodes[i].depth > 0)
		i++;
	return i;
}

static bool tree_names(const struct view *v, const struct model_finding *f, uint32_t first,
		       uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		uint32_t process = v->model->locks.items[v->graph.nodes[i].lock].process;

		if (process != MODEL_NONE && view_finding_names(f, process))
			return true;
	}
	return false;
}

/* Deadlocks stand before the first tree that shows one of their processes, the others first. */
static void put_headlines(const struct view *v, uint32_t first, uint32_t end)
{
	const struct model *m = v->model;

	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		if (!view_is_deadlock(f))
			continue;
		if (first == end ? !tree_names(v, f, 0, v->graph.count)
				 : tree_names(v, f, first, end) && !tree_names(v, f, 0, first))
			put_headline(v, f);
	}
}

/* What the waiters of a tree wait for in the end, where no deadlock's line says it. */
static void put_cause(const struct view *v, uint32_t first, uint32_t end)
{
	uint32_t lock = v->graph.nodes[first].lock, waiters = 0;
	char *cause;

	for (uint32_t i = first; i < end; i++)
		waiters += v->graph.nodes[i].depth > 0;
	if (!waiters || v->model->locks.items[lock].state != LOCK_HELD)
		return;
	cause = why_cause_of_hold(v, lock, waiters);
	if (!cause)
		return;
	fputs("Cause: ", v->out);
	text_put(v->out, cause);
	fputc('\n', v->out);
	free(cause);
}

void text_headlines(const struct view *v)
{
	const struct model *m = v->model;

	for (uint32_t i = 0; i < m->findings.count; i++)
		if (view_is_deadlock(&m->findings.items[i]))
			put_headline(v, &m->findings.items[i]);
}

/* Of a core without the shim's record nobody knows what was held. */
static bool is_core_alone(const struct model *m)
{
	return m->core.path && !m->processes.items[m->core.process].has_segment;
}

/* Of processes that are not looked at any more nothing is known. */
static const char *nothing_text(const struct model *m)
{
	uint32_t detached = 0;

	for (uint32_t i = 0; i < m->processes.count; i++)
		detached += m->processes.items[i].state == PROCESS_DETACHED;
	if (is_core_alone(m))
		return "No thread waited for a file lock.\n";
	if (detached && !m->is_live)
		return "The recording has ended: which file locks are held now is not in it.\n";
	return "No file locks are held or waited for.\n";
}

void text_graph(struct view *v, uint32_t uncontended_max)
{
	uint32_t uncontended = 0;

	put_headlines(v, 0, 0);
	for (uint32_t i = 0; i < v->graph.count;) {
		uint32_t end = tree_end(v, i), lock = v->graph.nodes[i].lock;
		bool is_alone =
			v->model->locks.items[lock].state == LOCK_HELD && !v->is_blocker[lock];

		put_headlines(v, i, end);
		put_cause(v, i, end);
		if (!is_alone || uncontended++ < uncontended_max)
			for (uint32_t j = i; j < end; j++)
				text_lock(v, &v->graph.nodes[j]);
		i = end;
	}
	if (uncontended > uncontended_max)
		fprintf(v->out, "and %u more locks that nobody waits for (--all shows them)\n",
			uncontended - uncontended_max);
	if (v->graph.count == 0)
		fputs(nothing_text(v->model), v->out);
}

/* --- the end ------------------------------------------------------------------------------- */

void text_notes(struct view *v)
{
	const struct model *m = v->model;

	if (m->notes.count)
		fputc('\n', v->out);
	for (uint32_t i = 0; i < m->notes.count; i++) {
		fputs("Note: ", v->out);
		text_put(v->out, m->notes.items[i].text);
		if (m->notes.items[i].count > 1)
			fprintf(v->out, " (%" PRIu64 " times)", m->notes.items[i].count);
		fputc('\n', v->out);
	}
}

/* What the graph itself does not show, but the exit status counts. */
void text_other_findings(const struct view *v)
{
	const struct model *m = v->model;
	struct view_tally t = view_tally(m);
	char errors[TEXT_SIZE], warnings[TEXT_SIZE];
	bool has_others = false;

	for (uint32_t i = 0; i < m->findings.count; i++)
		has_others |= m->findings.items[i].severity > SEVERITY_NOTE &&
			      !view_is_deadlock(&m->findings.items[i]);
	if (has_others)
		fprintf(v->out, "\nFindings: %s, %s (lockjam report explains them)\n",
			text_count(errors, t.errors, "error"),
			text_count(warnings, t.warnings, "warning"));
}

static void render_graph(struct view *v)
{
	text_graph(v, UINT32_MAX);
	text_backtraces(v);
	text_other_findings(v);
	text_notes(v);
}

const struct renderer render_text = {
	.name = "text",
	.graph = render_graph,
	.report = text_report,
	.stacks = text_stacks,
	.signals = text_signals,
	.why = text_why,
};
