/*
 * The text form: holders and waiters in the lines that scripts know, then backtraces.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cli/render.h"
#include "cli/render_text.h"
#include "cli/text.h"
#include "collector/model/findings.h"

#define SHARERS_SHOWN 4 /* processes that share a hold */

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

static const char *kind_name(enum lock_kind kind)
{
	static const char *const names[] = {"POSIX", "OFD", "flock", "lease"};

	return names[kind];
}

static const char *mode_name(enum lock_mode mode)
{
	return mode == MODE_WRITE ? "WRITE" : "READ";
}

static void begin_detail(const struct view *v, unsigned indent)
{
	fprintf(v->out, "%*s", indent, "");
}

/* Whose it is, if that is not the main thread. */
static void put_thread(const struct view *v, const struct model_lock *l)
{
	if (l->thread == MODEL_NONE)
		return;
	const struct model_thread *t = &v->model->threads.items[l->thread];

	if (t->tid != v->model->processes.items[t->process].pid)
		fprintf(v->out, ", thread %d", t->tid);
}

/* "POSIX, bytes 0-99, for 4.2s (since 2026-11-21 19:10:43), kept over exec" */
static void put_what(const struct view *v, const struct model_lock *l, unsigned indent)
{
	char buffer[TEXT_SIZE];

	begin_detail(v, indent);
	fprintf(v->out, "%s, %s", l->is_delegation ? "delegation" : kind_name(l->kind),
		text_range(buffer, l->start, l->end));
	if (l->since_ns) {
		uint64_t now = v->model->now_ns;

		fprintf(v->out, ", for %s%s",
			l->is_sampled ? "at least " : l->is_before ? "more than " : "",
			text_duration(buffer, now > l->since_ns ? now - l->since_ns : 0));
		fprintf(v->out, " (%s %s)",
			l->is_sampled ? "seen since" : l->is_before ? "since before" : "since",
			text_clock(buffer, text_real_ns(v->model, l->since_ns)));
	}
	if (l->is_carried)
		fputs(", kept over exec", v->out);
	if (l->is_before)
		fputs(", taken before attach", v->out);
	if (l->taker)
		fprintf(v->out, ", inherited from process %d, which %s", l->taker,
			l->has_taker_ended ? "has ended" : "does not have it any more");
	else if (l->is_inherited)
		fputs(", inherited by fork", v->out);
	if (l->is_through_map)
		fputs(", kept by a mapping of the file", v->out);
	if (l->stack == MODEL_NONE)
		put_thread(v, l);
	fputc('\n', v->out);
}

static void put_where(struct view *v, const struct model_lock *l, unsigned indent)
{
	const struct model_frame *site = view_site(v, l->stack);

	if (!site)
		return;
	begin_detail(v, indent);
	fputs(l->state == LOCK_HELD ? "taken in " : "asked for in ", v->out);
	text_site(v, site);
	put_thread(v, l);
	fputc('\n', v->out);
}

static void put_polling(const struct view *v, const struct model_lock *l, unsigned indent)
{
	char buffer[TEXT_SIZE];
	uint64_t last = l->last_try_ns > l->since_ns ? l->last_try_ns : v->model->now_ns;

	begin_detail(v, indent);
	fprintf(v->out, "polling, %s", l->tries == 1 ? "1 try" : "");
	if (l->tries != 1)
		fprintf(v->out, "%u tries", l->tries);
	if (l->since_ns)
		fprintf(v->out, " in %s", text_duration(buffer, last - l->since_ns));
	fputc('\n', v->out);
}

/* Behind whom, where that is not the holder above; a wait without one stands in the first column.
 */
static void put_queue(const struct view *v, const struct model_lock *l, unsigned indent)
{
	const struct model_lock *ahead;

	if (l->state == LOCK_HELD)
		return;
	if (l->blocker == MODEL_NONE) {
		begin_detail(v, indent);
		fputs("whose lock it waits for is not known\n", v->out);
		return;
	}
	ahead = &v->model->locks.items[l->blocker];
	if (ahead->state == LOCK_HELD)
		return;
	begin_detail(v, indent);
	fputs("queued behind the waiter ", v->out);
	text_process(v, ahead->process);
	fputc('\n', v->out);
}

static void put_evidence(const struct view *v, const struct model_lock *l, unsigned indent)
{
	const char *text = NULL;

	if (l->process == MODEL_NONE)
		text = l->unowned ? l->unowned
				  : "who it is could not be found: the descriptors of some processes "
				    "cannot be read";
	else if (l->evidence == EVIDENCE_INFERRED)
		text = "inferred, not observed: who it is was deduced from descriptors";
	else if (l->evidence == EVIDENCE_RECORDED && l->process == v->model->core.process &&
		 v->model->core.path)
		text = "as recorded when its core was made";
	else if (l->evidence == EVIDENCE_RECORDED && view_process_has_ended(v->model, l->process))
		text = "as recorded: the process has ended, and the lock with it";
	else if (l->evidence == EVIDENCE_RECORDED && l->state != LOCK_POLLING)
		text = "recorded by the process; the kernel's word could not be had";
	if (!text)
		return;
	begin_detail(v, indent);
	fprintf(v->out, "%s\n", text);
}

/* Where the path, or the process's own view of it, is another than ours. */
static void put_view(const struct view *v, const struct model_lock *l, unsigned indent)
{
	const struct model_resource *r = &v->model->resources.items[l->resource];
	const struct model_process *p =
		l->process == MODEL_NONE ? NULL : &v->model->processes.items[l->process];
	size_t length = p && p->root ? strlen(p->root) : 0;

	if (p && p->ns_pid) {
		begin_detail(v, indent);
		fprintf(v->out, "pid %d in its namespace\n", p->ns_pid);
	}
	if (length) {
		begin_detail(v, indent);
		fputs("its root is ", v->out);
		text_put(v->out, p->root);
		if (!strncmp(r->path, p->root, length) && r->path[length] == '/') {
			fputs(", where the path is ", v->out);
			text_put(v->out, r->path + length);
		}
		fputc('\n', v->out);
	}
	if (p && r->seen_by == p->pid) {
		begin_detail(v, indent);
		fputs("path as it sees it, in a mount namespace of its own\n", v->out);
	}
}

/* What the path of a held file leads to now. */
static void put_file(const struct view *v, const struct model_lock *l, unsigned indent)
{
	const struct model_resource *r = &v->model->resources.items[l->resource];
	const char *text = NULL;

	if (l->state != LOCK_HELD)
		return;
	if (r->is_replaced)
		text = "the path leads to another file by now, which is locked, too";
	else if (r->is_detached)
		text = "its file system has been unmounted: the path is what was below the mount";
	if (!text)
		return;
	begin_detail(v, indent);
	fprintf(v->out, "%s\n", text);
}

/* A lease stands in the way of open(), not of other locks. */
static void put_lease(const struct view *v, const struct model_lock *l, unsigned indent)
{
	const char *text = NULL;

	if (l->kind == LOCK_LEASE && l->state == LOCK_WAITING)
		text = "it opens or changes the file, which has to wait until the lease is given up";
	else if (l->is_breaking)
		text = "the kernel has told the holder to give it up";
	if (!text)
		return;
	begin_detail(v, indent);
	fprintf(v->out, "%s\n", text);
}

/* Ending the process that is shown does not free what others keep. */
static void put_sharers(const struct view *v, const struct model_lock *l, unsigned indent)
{
	uint32_t count = 0, at = l->next_copy;

	if (at == MODEL_NONE)
		return;
	begin_detail(v, indent);
	fputs("the same open file description is also in ", v->out);
	for (; at != MODEL_NONE; at = v->model->locks.items[at].next_copy) {
		if (count++ && count <= SHARERS_SHOWN)
			fputs(", ", v->out);
		if (count <= SHARERS_SHOWN)
			text_process(v, v->model->locks.items[at].process);
	}
	if (count > SHARERS_SHOWN)
		fprintf(v->out, " and %u more", count - SHARERS_SHOWN);
	fputc('\n', v->out);
}

static void put_node(struct view *v, const struct graph_node *node)
{
	const struct model_lock *l = &v->model->locks.items[node->lock];
	/* All waiters stand in one column, as scripts know it, also who waits behind a waiter. */
	unsigned indent = node->depth ? 2 : 0;

	fprintf(v->out, "%*s", indent, "");
	text_process(v, l->process);
	if (l->state == LOCK_HELD)
		fprintf(v->out, " holding %s lock for ", mode_name(l->mode));
	else
		fprintf(v->out, " ++WAITING++ for %s lock on ", mode_name(l->mode));
	text_path(v, l->resource);
	fputc('\n', v->out);
	put_what(v, l, indent + 4);
	put_view(v, l, indent + 4);
	put_file(v, l, indent + 4);
	put_lease(v, l, indent + 4);
	put_where(v, l, indent + 4);
	if (l->state == LOCK_POLLING)
		put_polling(v, l, indent + 4);
	put_queue(v, l, indent + 4);
	put_evidence(v, l, indent + 4);
	put_sharers(v, l, indent + 4);
}

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

void text_headlines(const struct view *v)
{
	const struct model *m = v->model;

	for (uint32_t i = 0; i < m->findings.count; i++)
		if (view_is_deadlock(&m->findings.items[i]))
			put_headline(v, &m->findings.items[i]);
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
		if (!is_alone || uncontended++ < uncontended_max)
			for (uint32_t j = i; j < end; j++)
				put_node(v, &v->graph.nodes[j]);
		i = end;
	}
	if (uncontended > uncontended_max)
		fprintf(v->out, "and %u more locks that nobody waits for (--all shows them)\n",
			uncontended - uncontended_max);
	if (v->graph.count == 0)
		fputs("No file locks are held or waited for.\n", v->out);
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
};
