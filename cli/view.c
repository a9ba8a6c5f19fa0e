#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/view.h"

int view_init(struct view *v)
{
	const struct model *m = v->model;

	v->is_blocker = calloc(m->locks.count + 1, sizeof(*v->is_blocker));
	if (!v->is_blocker)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].blocker != MODEL_NONE)
			v->is_blocker[m->locks.items[i].blocker] = true;
	v->has_looks = !wait_graph_init(&v->looks, m, WAIT_LOOKS);
	return v->has_looks ? graph_build(m, &v->graph) : -ENOMEM;
}

void view_done(struct view *v)
{
	graph_done(&v->graph);
	if (v->has_looks)
		wait_graph_done(&v->looks);
	v->has_looks = false;
	for (uint32_t i = 0; i < v->backtrace_count; i++)
		free(v->backtraces[i].doing);
	free(v->backtraces);
	free(v->is_blocker);
	v->backtraces = NULL;
	v->is_blocker = NULL;
}

bool view_resolve(struct view *v, uint32_t stack)
{
	if (stack == MODEL_NONE)
		return false;
	if (v->collector && !v->model->stacks.items[stack].is_resolved)
		collector_resolve(v->collector, stack);
	return v->model->stacks.items[stack].frame_count > 0;
}

/* Objects that are between the program and the kernel, never "the program". */
static bool is_plumbing(const char *module)
{
	static const char *const prefixes[] = {"libc.so",    "libc-2",     "libpthread", "ld-linux",
					       "liblockjam", "linux-vdso", "[vdso]"};
	const char *base = strrchr(module, '/');

	base = base ? base + 1 : module;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(base, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

const struct model_frame *view_site(struct view *v, uint32_t stack)
{
	const struct model_stack *s;

	if (!view_resolve(v, stack))
		return NULL;
	s = &v->model->stacks.items[stack];
	for (uint32_t i = 0; i < s->frame_count; i++) {
		const struct model_frame *f = &v->model->frames.items[s->first_frame + i];

		if (f->kind != FRAME_SIGNAL && !(f->module && is_plumbing(f->module)))
			return f;
	}
	return NULL;
}

struct view_tally view_tally(const struct model *m)
{
	struct view_tally t = {0};

	for (uint32_t i = 0; i < m->findings.count; i++) {
		enum severity s = m->findings.items[i].severity;

		t.errors += s == SEVERITY_ERROR;
		t.warnings += s == SEVERITY_WARNING;
		t.notes += s == SEVERITY_NOTE;
	}
	return t;
}

int view_status(const struct model *m)
{
	struct view_tally t = view_tally(m);

	return t.errors + t.warnings > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}

bool view_is_deadlock(const struct model_finding *f)
{
	return f->kind == FINDING_DEADLOCK_CYCLE || f->kind == FINDING_DEADLOCK_HEAP;
}

bool view_finding_names(const struct model_finding *f, uint32_t process)
{
	for (uint32_t i = 0; i < FINDING_PIDS && i < f->process_count; i++)
		if (f->processes[i] == process)
			return true;
	return false;
}

bool view_process_has_ended(const struct model *m, uint32_t process)
{
	return process != MODEL_NONE && m->processes.items[process].state != PROCESS_LIVE;
}

/* --- backtraces --------------------------------------------------------------------------- */

int view_add_backtrace(struct view *v, struct view_backtrace b)
{
	struct view_backtrace *bigger =
		reallocarray(v->backtraces, v->backtrace_count + 1, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	v->backtraces = bigger;
	b.like = MODEL_NONE;
	v->backtraces[v->backtrace_count++] = b;
	return 0;
}

static bool has_backtrace(const struct view *v, uint32_t process)
{
	for (uint32_t i = 0; i < v->backtrace_count; i++)
		if (v->backtraces[i].process == process)
			return true;
	return false;
}

uint32_t view_thread_stack(struct view *v, uint32_t thread)
{
	const struct model_thread *t = &v->model->threads.items[thread];
	uint32_t call = t->call, live = MODEL_NONE, stack = t->stack;

	if (stack == MODEL_NONE && v->collector &&
	    v->model->processes.items[t->process].state == PROCESS_LIVE)
		stack = live = t->task_state == 'R' ? collector_copy_thread(v->collector, thread)
						    : collector_thread_stack(v->collector, thread);
	if (!view_resolve(v, stack))
		stack = call == MODEL_NONE ? live : v->model->calls.items[call].stack;
	/* Of a living one without frames it is said why. */
	return view_resolve(v, stack) || stack == live ? stack : MODEL_NONE;
}

static int add_thread(struct view *v, uint32_t thread)
{
	struct view_backtrace b = {.kind = BACKTRACE_NOW,
				   .process = v->model->threads.items[thread].process,
				   .thread = thread,
				   .lock = MODEL_NONE};

	b.stack = view_thread_stack(v, thread);
	return b.stack == MODEL_NONE ? 0 : view_add_backtrace(v, b);
}

/* Does the function that took the lock still run in one of the process's stacks shown? */
static bool is_still_there(struct view *v, uint32_t process, const char *function)
{
	for (uint32_t i = 0; i < v->backtrace_count; i++) {
		const struct view_backtrace *b = &v->backtraces[i];
		const struct model_stack *s = &v->model->stacks.items[b->stack];

		if (b->process != process || b->kind != BACKTRACE_NOW)
			continue;
		for (uint32_t j = 0; j < s->frame_count; j++) {
			const char *f = v->model->frames.items[s->first_frame + j].function;

			if (f && !strcmp(f, function))
				return true;
		}
	}
	return false;
}

static int add_taken(struct view *v, uint32_t lock)
{
	const struct model_lock *l = &v->model->locks.items[lock];
	struct view_backtrace b = {BACKTRACE_TAKEN, l->process, l->thread, lock,
				   l->stack,        NULL,       0,         0};
	const struct model_frame *site;

	if (!view_resolve(v, l->stack))
		return 0;
	site = view_site(v, l->stack);
	if (site && site->function && is_still_there(v, l->process, site->function))
		return 0;
	return view_add_backtrace(v, b);
}

static bool is_thread_wanted(const struct view *v, uint32_t thread, uint32_t lock)
{
	const struct model_thread *t = &v->model->threads.items[thread];

	if (t->handler_depth > 0 || t->call != MODEL_NONE)
		return true;
	return lock != MODEL_NONE && v->model->locks.items[lock].thread == thread;
}

/*
 * The stacks of one process: threads inside a handler, and the one that took `lock` (MODEL_NONE:
 * none). Where no thread is known to be it, the main thread stands for the process.
 */
static int add_process(struct view *v, uint32_t process, uint32_t lock)
{
	uint32_t main_thread = MODEL_NONE, shown = 0;
	int error = 0;

	for (uint32_t i = 0; !error && i < v->model->threads.count; i++) {
		const struct model_thread *t = &v->model->threads.items[i];

		if (t->process != process)
			continue;
		if (t->tid == v->model->processes.items[process].pid)
			main_thread = i;
		if (is_thread_wanted(v, i, lock)) {
			error = add_thread(v, i);
			shown++;
		}
	}
	if (!error && shown == 0 && main_thread != MODEL_NONE)
		error = add_thread(v, main_thread);
	return error;
}

static int add_holder(struct view *v, uint32_t lock)
{
	uint32_t process = v->model->locks.items[lock].process;
	int error = 0;

	if (process == MODEL_NONE)
		return 0;
	if (!has_backtrace(v, process))
		error = add_process(v, process, lock);
	return error ? error : add_taken(v, lock);
}

static int add_deadlocked(struct view *v, const struct model_finding *f)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < FINDING_PIDS && i < f->process_count; i++)
		if (f->processes[i] != MODEL_NONE && !has_backtrace(v, f->processes[i]))
			error = add_process(v, f->processes[i], MODEL_NONE);
	return error;
}

/* Of a core all threads are of interest: one looks into it to see where each was. */
static int add_core(struct view *v)
{
	const struct model *m = v->model;
	uint32_t shown = 0;
	int error = 0;

	for (uint32_t i = 0; m->core.path && !error && i < m->stacks.count; i++) {
		if (m->stacks.items[i].origin != STACK_CORE)
			continue;
		if (v->show_all || shown++ < VIEW_THREADS)
			error = add_thread(v, m->stacks.items[i].thread);
		else
			v->threads_left_out++;
	}
	return error;
}

int view_choose_backtraces(struct view *v)
{
	uint32_t holders = 0;
	int error = add_core(v);

	for (uint32_t i = 0; !error && i < v->graph.count; i++) {
		uint32_t lock = v->graph.nodes[i].lock;

		if (v->model->locks.items[lock].state != LOCK_HELD || !v->is_blocker[lock])
			continue;
		if (v->show_all || holders++ < VIEW_BACKTRACES)
			error = add_holder(v, lock);
		else
			v->backtraces_left_out++;
	}
	for (uint32_t i = 0; !error && i < v->model->findings.count; i++)
		if (view_is_deadlock(&v->model->findings.items[i]))
			error = add_deadlocked(v, &v->model->findings.items[i]);
	return error;
}
