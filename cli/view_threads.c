/* The backtraces of all threads of the chosen processes. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doing.h"
#include "cli/view.h"

#define ALIKE_MIN 3 /* threads that make a group; of two, each is worth its place */

static bool is_equal_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* At the same place, in the same call, for the same reason incomplete. */
static bool is_alike(const struct view *v, const struct view_backtrace *a,
		     const struct view_backtrace *b)
{
	const struct model *m = v->model;
	const struct model_stack *x = &m->stacks.items[a->stack], *y = &m->stacks.items[b->stack];

	if (a->process != b->process || x->frame_count != y->frame_count ||
	    x->left_out != y->left_out || !is_equal_text(x->stopped, y->stopped) ||
	    !is_equal_text(a->doing, b->doing))
		return false;
	for (uint32_t i = 0; i < x->frame_count; i++) {
		const struct model_frame *f = &m->frames.items[x->first_frame + i];
		const struct model_frame *g = &m->frames.items[y->first_frame + i];

		if (f->kind != g->kind || f->pc != g->pc)
			return false;
	}
	return true;
}

static uint32_t find_alike(const struct view *v, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (v->backtraces[i].like == MODEL_NONE &&
		    is_alike(v, &v->backtraces[i], &v->backtraces[index]))
			return i;
	return MODEL_NONE;
}

static void group(struct view *v)
{
	for (uint32_t i = 0; i < v->backtrace_count; i++) {
		uint32_t first = find_alike(v, i);

		v->backtraces[i].like = first;
		if (first != MODEL_NONE)
			v->backtraces[first].alike++;
	}
	for (uint32_t i = 0; i < v->backtrace_count; i++) {
		uint32_t first = v->backtraces[i].like;

		if (first == MODEL_NONE || v->backtraces[first].alike + 1 >= ALIKE_MIN)
			continue;
		v->backtraces[i].like = MODEL_NONE;
		v->backtraces[first].alike = 0;
	}
}

/* Process by process, the main thread first. */
static int compare_threads(const void *a, const void *b, void *context)
{
	const struct model *m = context;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct model_thread *x = &m->threads.items[i], *y = &m->threads.items[j];
	pid_t pid = m->processes.items[x->process].pid;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if ((x->tid == pid) != (y->tid == pid))
		return x->tid == pid ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* malloc'ed; NULL if memory is out. */
static uint32_t *list_threads(const struct model *m, uint32_t *count)
{
	uint32_t *threads = calloc(m->threads.count + (size_t)1, sizeof(*threads));

	*count = 0;
	for (uint32_t i = 0; threads && i < m->threads.count; i++) {
		const struct model_process *p = &m->processes.items[m->threads.items[i].process];

		if (p->is_target && p->state == PROCESS_LIVE)
			threads[(*count)++] = i;
	}
	if (threads)
		qsort_r(threads, *count, sizeof(*threads), compare_threads, (void *)m);
	return threads;
}

/* Copied first, all of them, then named: what they show is of nearly one moment. */
int view_choose_threads(struct view *v, uint32_t limit)
{
	uint32_t count, *threads = list_threads(v->model, &count);
	int error = threads ? 0 : -ENOMEM;

	if (count > limit && !v->show_all) {
		v->threads_left_out = count - limit;
		count = limit;
	}
	for (uint32_t i = 0; !error && i < count; i++) {
		struct view_backtrace b = {.kind = BACKTRACE_NOW,
					   .process = v->model->threads.items[threads[i]].process,
					   .thread = threads[i],
					   .lock = MODEL_NONE};

		b.stack = collector_copy_thread(v->collector, b.thread);
		error = b.stack == MODEL_NONE ? -ENOMEM : view_add_backtrace(v, b);
	}
	free(threads);
	for (uint32_t i = 0; i < v->backtrace_count; i++) {
		view_resolve(v, v->backtraces[i].stack);
		v->backtraces[i].doing = doing_text(v, v->backtraces[i].thread);
	}
	v->thread_backtraces = v->backtrace_count;
	if (!v->show_all)
		group(v);
	return error;
}
