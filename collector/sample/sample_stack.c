#include "config.h"

#include "collector/sample/sample_stack.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/stack/stack_live.h"
#include "collector/unwind/unwind.h"

#define FRAMES_MAX 128
#define THREADS_MAX 16 /* of one process that others wait for */

/* The process whose threads are looked at, one after the other. */
struct work {
	struct sample_stacks *stacks;
	const struct sample_look *look;
	uint64_t end_ns;
	bool is_late, is_missing;
	struct sample_process *p;
	struct modules modules;
	struct unwinder *unwinder;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void close_process(struct work *w)
{
	if (!w->p)
		return;
	unwinder_free(w->unwinder);
	modules_done(&w->modules);
	w->p = NULL;
}

static bool open_process(struct work *w, struct sample_process *p)
{
	if (w->p == p)
		return w->unwinder;
	close_process(w);
	if (modules_load(&w->modules, w->stacks->images, w->look->ps->proc, NULL, p->pid))
		return false;
	w->p = p;
	w->unwinder = unwinder_new(&w->modules);
	return w->unwinder;
}

/* --- modules ---------------------------------------------------------------------------------- */

static bool is_noted(struct sample_process *p, const struct module *m)
{
	uint32_t used = sample_segment_header(p->segment)->tables[SEG_MODULES].used;

	for (uint32_t i = 1; i <= used; i++) {
		const struct seg_module *r = sample_record(p->segment, SEG_MODULES, i);

		if (r->start == m->start && r->end == m->end)
			return true;
	}
	return false;
}

/* So that the address can be named when the process is dead. */
static void note_module(struct work *w, uint64_t pc)
{
	struct module *m = modules_find(&w->modules, pc);
	struct image *image = m && !is_noted(w->p, m) ? modules_image(&w->modules, m) : NULL;

	if (!image || !m->has_bias)
		return;
	uint32_t path = sample_string(w->p->segment, m->path);
	uint32_t index = sample_record_new(w->p->segment, SEG_MODULES);
	struct seg_module *r = sample_record(w->p->segment, SEG_MODULES, index);

	if (!r)
		return;
	r->start = m->start;
	r->end = m->end;
	r->bias = m->bias;
	r->build_id_size = image->build_id_size;
	memcpy(r->build_id, image->build_id, sizeof(r->build_id));
	r->path = path;
	sample_record_end(w->p->segment, SEG_MODULES, index);
}

/* --- stacks ----------------------------------------------------------------------------------- */

static uint32_t write_stack(struct work *w, const struct unwind_frames *frames)
{
	uint64_t pcs[FRAMES_MAX];
	uint32_t count = frames->count < FRAMES_MAX ? frames->count : FRAMES_MAX;
	uint32_t flags = SEG_STACK_MARKED;

	for (uint32_t i = 0; i < count; i++) {
		const struct unwind_frame *f = &frames->items[i];

		pcs[i] = f->pc & SEG_PC_MASK;
		if (f->is_exact)
			pcs[i] |= SEG_PC_EXACT;
		if (f->is_signal)
			pcs[i] |= SEG_PC_SIGNAL;
		note_module(w, f->pc - !f->is_exact);
	}
	if (frames->count == FRAMES_MAX)
		flags |= SEG_STACK_CUT;
	else if (frames->stopped)
		flags |= SEG_STACK_SHORT;
	return sample_stack(w->p->segment, pcs, count, flags);
}

/* The index of its stack, 0: it runs, has run meanwhile, or may not be looked at. */
static uint32_t take(struct work *w, struct sample_process *p, pid_t tid)
{
	struct unwind_frames frames;
	struct unwind_start start;
	struct stack_live *live;
	const char *reason;
	uint32_t stack = 0;

	if (w->is_late || clock_ns() > w->end_ns) {
		w->is_late = true;
		return 0;
	}
	const struct stack_subject subject = {.proc = w->look->ps->proc, .pid = p->pid, .tid = tid};

	if (stack_live_look(&subject, &live, &reason))
		return 0;
	if (open_process(w, p)) {
		stack_live_start(live, &start);
		if (!unwind(w->unwinder, &start, FRAMES_MAX, &frames)) {
			if (stack_live_has_stayed(live))
				stack = write_stack(w, &frames);
			unwind_frames_done(&frames);
		}
	}
	stack_live_free(live);
	return stack;
}

static void take_thread(struct work *w, struct sample_process *p, uint32_t index)
{
	struct seg_thread *t = sample_record(p->segment, SEG_THREADS, index);
	uint32_t stack = t && t->tid ? take(w, p, t->tid) : 0;

	if (!stack)
		return;
	t = sample_record_begin(p->segment, SEG_THREADS, index);
	t->stack = stack;
	t->stack_ns = clock_ns();
	sample_record_end(p->segment, SEG_THREADS, index);
}

/* A wait has one stack, from its begin to its end. */
static void take_waiter(struct work *w, uint32_t lock)
{
	const struct model_lock *l = &w->look->m->locks.items[lock];
	struct sample_process *p = w->look->processes[l->process];
	struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, w->look->locks[lock]);

	if (!r || r->stack || !r->thread)
		return;
	take_thread(w, p, r->thread);
	const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, r->thread);

	if (!t->stack || t->stack_ns < r->wait_since_ns)
		return;
	r = sample_record_begin(p->segment, SEG_LOCKS, w->look->locks[lock]);
	r->stack = t->stack;
	sample_record_end(p->segment, SEG_LOCKS, w->look->locks[lock]);
}

/* By its program counter; what it does in there may be another thing each time (is_again). */
static bool is_where_it_was(struct sample_process *p, const struct seg_thread *t,
			    const struct model_thread *now)
{
	const struct seg_stack *s = sample_record(p->segment, SEG_STACKS, t->stack);
	const uint64_t *pc = s ? sample_record(p->segment, SEG_PCS, s->pcs + 1) : NULL;

	return pc && now->pc && (*pc & SEG_PC_MASK) == now->pc;
}

static void take_holder(struct work *w, uint32_t process)
{
	struct sample_process *p = w->look->processes[process];
	const struct model *m = w->look->m;
	uint32_t count = 0;

	for (uint32_t i = 0; p && i < m->threads.count && count < THREADS_MAX; i++) {
		const struct model_thread *now = &m->threads.items[i];
		uint32_t index = now->process == process ? sample_thread(p, now->tid) : 0;
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, index);

		if (!t)
			continue;
		count++;
		if (!t->stack || w->stacks->is_again || !is_where_it_was(p, t, now))
			take_thread(w, p, index);
		w->is_missing |= !t->stack;
	}
}

bool sample_stacks_take(struct sample_stacks *stacks, const struct sample_look *look)
{
	const struct model *m = look->m;
	struct work w = {.stacks = stacks, .look = look, .end_ns = clock_ns() + stacks->budget_ns};
	bool *is_taken = calloc(m->processes.count + (size_t)1, sizeof(*is_taken));

	/* Holders first: they tell more than the many who wait for them. */
	for (uint32_t i = 0; is_taken && i < m->locks.count; i++) {
		uint32_t blocker = m->locks.items[i].blocker;
		uint32_t process =
			blocker == MODEL_NONE ? MODEL_NONE : m->locks.items[blocker].process;

		if (process == MODEL_NONE || is_taken[process] ||
		    m->locks.items[blocker].state != LOCK_HELD)
			continue;
		is_taken[process] = true;
		take_holder(&w, process);
	}
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (look->locks[i] && m->locks.items[i].state == LOCK_WAITING)
			take_waiter(&w, i);
	close_process(&w);
	free(is_taken);
	return w.is_late || w.is_missing;
}
