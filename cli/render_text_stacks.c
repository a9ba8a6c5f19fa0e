/* Backtraces as text: frames in gdb's form, each stack under a title. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/render_text.h"
#include "cli/text.h"

#define TIDS_MAX 8 /* that a title lists of threads that are alike */

static void put_frame(const struct view *v, const struct model_frame *f)
{
	if (f->kind == FRAME_SIGNAL) {
		fputs("<signal handler called>\n", v->out);
		return;
	}
	if (f->kind == FRAME_CALL && f->pc) /* 0: the function was recorded by its name */
		fprintf(v->out, "0x%016" PRIx64 " in ", f->pc);
	text_put(v->out, f->function ? f->function : "??");
	fputs(" (", v->out);
	if (f->arguments)
		text_put_value(v->out, f->arguments);
	fputc(')', v->out);
	if (f->file) {
		fputs(" at ", v->out);
		text_put(v->out, f->file);
		fprintf(v->out, ":%d", f->line);
	} else if (f->module) {
		fputs(" from ", v->out);
		text_put(v->out, f->module);
	}
	fputc('\n', v->out);
}

/* What stands below the frames. */
static void put_end(const struct view *v, const struct model_stack *s, unsigned indent)
{
	char buffer[TEXT_SIZE];

	if (s->left_out)
		fprintf(v->out, "%*s(%s%u more frame%s)\n", indent, "",
			s->has_more ? "at least " : "", s->left_out, s->left_out == 1 ? "" : "s");
	if (s->stopped) {
		fprintf(v->out, "%*s%s", indent, "", s->frame_count ? "Backtrace stopped: " : "");
		text_put(v->out, s->stopped);
		fputc('\n', v->out);
	}
	if (s->seen_ns)
		fprintf(v->out, "%*s(where it was when it was looked at, %s)\n", indent, "",
			text_clock(buffer, text_real_ns(v->model, s->seen_ns)));
}

void text_frames(struct view *v, uint32_t stack, unsigned indent)
{
	const struct model_stack *s;

	if (stack == MODEL_NONE)
		return;
	view_resolve(v, stack);
	s = &v->model->stacks.items[stack];
	for (uint32_t i = 0; i < s->frame_count; i++) {
		fprintf(v->out, "%*s#%u ", indent, "", i);
		put_frame(v, &v->model->frames.items[s->first_frame + i]);
	}
	put_end(v, s, indent);
}

/* " (48 alike): 12, 13, ..." */
static void put_alike(const struct view *v, uint32_t first)
{
	const struct model *m = v->model;
	uint32_t shown = 0;

	fprintf(v->out, ", %u threads alike: ", v->backtraces[first].alike + 1);
	for (uint32_t i = first; i < v->backtrace_count && shown < TIDS_MAX; i++)
		if (i == first || v->backtraces[i].like == first)
			fprintf(v->out, "%s%d", shown++ ? ", " : "",
				m->threads.items[v->backtraces[i].thread].tid);
	if (shown <= v->backtraces[first].alike)
		fprintf(v->out, " and %u more", v->backtraces[first].alike + 1 - shown);
}

/* The name of the thread, if all that it stands for have the same; else NULL. */
static const char *common_name(const struct view *v, uint32_t first)
{
	const struct model_thread *threads = v->model->threads.items;
	const char *name = threads[v->backtraces[first].thread].name;

	for (uint32_t i = first + 1; name && i < v->backtrace_count; i++) {
		const struct view_backtrace *b = &v->backtraces[i];

		if (b->like == first &&
		    (!threads[b->thread].name || strcmp(name, threads[b->thread].name)))
			return NULL;
	}
	return name;
}

/* " (worker, in futex)": where the names of threads were asked for. */
static void put_doing(const struct view *v, uint32_t index)
{
	const struct view_backtrace *b = &v->backtraces[index];
	const char *name = common_name(v, index);

	if (!name && !b->doing)
		return;
	fputs(" (", v->out);
	text_put(v->out, name ? name : "");
	fputs(name && b->doing ? ", " : "", v->out);
	text_put(v->out, b->doing ? b->doing : "");
	fputc(')', v->out);
}

static void put_title(const struct view *v, uint32_t index)
{
	const struct view_backtrace *b = &v->backtraces[index];
	const struct model *m = v->model;
	const struct model_process *p = &m->processes.items[b->process];
	const struct model_thread *t =
		b->thread == MODEL_NONE ? NULL : &m->threads.items[b->thread];

	if (b->kind == BACKTRACE_TAKEN) {
		fputs("Lock for ", v->out);
		text_path(v, m->locks.items[b->lock].resource);
		fprintf(v->out, " taken by process %d", p->pid);
	} else {
		fprintf(v->out, "Backtrace of process %d", p->pid);
	}
	if (b->alike)
		put_alike(v, index);
	else if (t && (t->tid != p->pid || (t->name && p->has_children_threads)))
		fprintf(v->out, ", thread %d", t->tid);
	if (t && p->has_children_threads && b->kind == BACKTRACE_NOW)
		put_doing(v, index);
	fputs(":\n", v->out);
}

/* "/usr/bin/imapd (pid 12): in read of descriptor 3 (socket:[55])", "..., 50 threads" */
static void put_process(const struct view *v, uint32_t first)
{
	uint32_t process = v->backtraces[first].process, count = 0;
	const char *doing = v->backtraces[first].doing;

	if (first > 0 && v->backtraces[first - 1].process == process)
		return;
	while (first + count < v->backtrace_count &&
	       v->backtraces[first + count].process == process)
		count++;
	fputs(first ? "\n" : "", v->out);
	text_process(v, process);
	if (count > 1)
		fprintf(v->out, ", %u threads", count);
	else if (doing) {
		fputs(": ", v->out);
		text_put(v->out, doing);
	}
	fputc('\n', v->out);
}

static void put_backtrace(struct view *v, uint32_t index)
{
	if (v->backtraces[index].like != MODEL_NONE)
		return;
	fputc('\n', v->out);
	put_title(v, index);
	text_frames(v, v->backtraces[index].stack, 1);
	if (v->backtraces[index].kind == BACKTRACE_NOW)
		text_wait(v, v->backtraces[index].thread, 1);
}

void text_thread_backtraces(struct view *v)
{
	for (uint32_t i = 0; i < v->thread_backtraces; i++)
		put_backtrace(v, i);
	if (v->threads_left_out)
		fprintf(v->out, "\nand %u more threads (--all shows their backtraces)\n",
			v->threads_left_out);
}

void text_backtraces(struct view *v)
{
	for (uint32_t i = v->thread_backtraces; i < v->backtrace_count; i++)
		put_backtrace(v, i);
	if (v->threads_left_out && v->model->core.path)
		fprintf(v->out,
			"\nand %u more threads of the core (--all shows their backtraces)\n",
			v->threads_left_out);
	if (v->backtraces_left_out)
		fprintf(v->out,
			"\nand %u more holders that block others (--all shows their backtraces)\n",
			v->backtraces_left_out);
}

void text_stacks(struct view *v)
{
	text_headlines(v);
	for (uint32_t i = 0; i < v->backtrace_count; i++) {
		put_process(v, i);
		put_backtrace(v, i);
	}
	text_other_findings(v);
	text_notes(v);
}
