/*
 * One hold or request of the graph: the line that scripts know, and its details under it.
 */
#include "config.h"

#include <string.h>

#include "cli/render_text.h"
#include "cli/text.h"

#define SHARERS_SHOWN 4 /* processes that share a hold */

const char *text_lock_kind(enum lock_kind kind)
{
	static const char *const names[LOCK_KINDS] = {
		[LOCK_POSIX] = "POSIX",   [LOCK_OFD] = "OFD",       [LOCK_FLOCK] = "flock",
		[LOCK_LEASE] = "lease",   [LOCK_MUTEX] = "mutex",   [LOCK_RWLOCK] = "rwlock",
		[LOCK_SPIN] = "spin",     [LOCK_STREAM] = "stream", [LOCK_HEAP] = "heap",
		[LOCK_LOADER] = "loader",
	};

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

static bool is_of_threads(const struct model_lock *l)
{
	return l->kind >= LOCK_MUTEX;
}

/* Whose it is; of a file's lock, if that is not the main thread. */
static void put_thread(const struct view *v, const struct model_lock *l)
{
	if (l->thread == MODEL_NONE)
		return;
	const struct model_thread *t = &v->model->threads.items[l->thread];

	if (is_of_threads(l) || t->tid != v->model->processes.items[t->process].pid)
		fprintf(v->out, ", thread %d", t->tid);
}

/* "POSIX, bytes 0-99, for 4.2s (since 2026-11-21 19:10:43), kept over exec" */
static void put_what(const struct view *v, const struct model_lock *l, unsigned indent)
{
	char buffer[TEXT_SIZE];

	begin_detail(v, indent);
	fputs(l->is_delegation ? "delegation" : text_lock_kind(l->kind), v->out);
	if (!is_of_threads(l))
		fprintf(v->out, ", %s", text_range(buffer, l->start, l->end));
	if (l->since_ns && l->seen_until_ns) {
		/* Nobody looked since then: it may have been given back and taken again. */
		fprintf(v->out, ", seen from %s",
			text_clock(buffer, text_real_ns(v->model, l->since_ns)));
		fprintf(v->out, " to %s, and now",
			text_clock(buffer, text_real_ns(v->model, l->seen_until_ns)));
	} else if (l->since_ns) {
		uint64_t now = v->model->now_ns;

		fprintf(v->out, ", for %s%s",
			l->is_sampled  ? "at least "
			: l->is_before ? "more than "
				       : "",
			text_duration(buffer, now > l->since_ns ? now - l->since_ns : 0));
		fprintf(v->out, " (%s %s)",
			l->is_sampled  ? "seen since"
			: l->is_before ? "since before"
				       : "since",
			text_clock(buffer, text_real_ns(v->model, l->since_ns)));
	}
	if (l->fd >= 0 && !is_of_threads(l) && !v->model->resources.items[l->resource].ino)
		fprintf(v->out, ", descriptor %d", l->fd);
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
	bool is_of_core = v->model->core.path && l->process == v->model->core.process;

	if (l->process == MODEL_NONE)
		text = l->unowned
			       ? l->unowned
			       : "who it is could not be found: the descriptors of some processes "
				 "cannot be read";
	else if (l->evidence == EVIDENCE_INFERRED && is_of_core)
		text = "inferred from the registers and the memory of its thread";
	else if (l->evidence == EVIDENCE_INFERRED)
		text = "inferred, not observed: who it is was deduced from descriptors";
	else if (l->evidence == EVIDENCE_RECORDED && is_of_core)
		text = "as recorded when its core was made";
	else if (l->evidence == EVIDENCE_RECORDED && view_process_has_ended(v->model, l->process))
		text = "as recorded: the process has ended, and the lock with it";
	else if (l->evidence == EVIDENCE_RECORDED && is_of_threads(l))
		text = "recorded by the process; its memory could not be read";
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
		text = "it opens or changes the file, which has to wait until the lease is given "
		       "up";
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

void text_lock(struct view *v, const struct graph_node *node)
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
