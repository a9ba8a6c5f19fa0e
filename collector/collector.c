/*
 * Strings the parts together: sources -> merge -> stacks -> analysis. Keeps what is needed to
 * resolve stacks later.
 */
#include "config.h"

#include "collector/collector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "collector/analysis/analysis.h"
#include "collector/source/select.h"
#include "collector/source/signals.h"
#include "collector/source/source.h"
#include "collector/stack/stack.h"

#define CORE_FRAMES_MAX 1000000 /* of all threads of a core together; some 80 MB */

struct collector {
	struct collect_options options;
	struct gather gather;
	struct proc *proc;
	struct model *model;
	struct stacks *stacks;
};

static const struct source *const sources[] = {
	&source_core, /* first: what it finds is not to be read again from a directory */
	&source_segments,
	&source_locks,
	&source_tasks,
	&source_memory,
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void set_time(struct collector *c)
{
	struct model *m = c->model;
	bool has_live = !gather_is_saved(&c->gather);
	uint64_t now = clock_ns(CLOCK_MONOTONIC), real = clock_ns(CLOCK_REALTIME);

	for (uint32_t i = 0; i < m->processes.count; i++)
		has_live |= m->processes.items[i].state == PROCESS_LIVE &&
			    !m->processes.items[i].session;
	m->is_live = has_live;
	m->now_ns = has_live ? now : c->gather.last_ns;
	/* A record may be of another boot, or another machine: only its own header relates its
	 * clocks. */
	m->now_real_ns = has_live ? real : c->gather.last_real_ns;
}

static int compare_events(const void *x, const void *y)
{
	const struct model_event *a = x, *b = y;

	if (a->ns != b->ns)
		return a->ns < b->ns ? -1 : 1;
	return (a->process > b->process) - (a->process < b->process);
}

/* Everything that sources see, into an empty collector. */
static int look(struct collector *c, const struct collect_options *options,
		struct collect_error *error)
{
	int r = 0;

	c->options = *options;
	c->model = model_new();
	c->proc = proc_new(options->proc_root ? options->proc_root : "/");
	if (!c->model || !c->proc)
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	c->model->limits.long_hold_ns = options->long_hold_ns;
	c->model->limits.long_wait_ns = options->long_wait_ns;
	c->gather = (struct gather){.m = c->model, .proc = c->proc, .options = &c->options};
	for (size_t i = 0; !r && i < sizeof(sources) / sizeof(sources[0]); i++) {
		r = sources[i]->collect(&c->gather, error);
		set_time(c); /* after each: no record may be later than what is called now */
	}
	if (c->model->events.count)
		qsort(c->model->events.items, c->model->events.count,
		      sizeof(c->model->events.items[0]), compare_events);
	if (!r)
		r = select_targets(&c->gather, error);
	if (!r && options->target_count && !gather_is_saved(&c->gather))
		tasks_read_rest(&c->gather);
	if (!r && !gather_is_saved(&c->gather))
		namespaces_look(&c->gather);
	if (!r)
		signals_read_sleeps(&c->gather);
	if (!r && c->options.want_handlers && !gather_is_saved(&c->gather)) {
		signals_read(&c->gather);
		signals_watch(&c->gather);
	}
	if (!r && c->options.want_handlers)
		senders_name(&c->gather);
	if (!r && options->want_threads && options->target_count)
		tasks_read_targets(&c->gather);
	if (!r && (options->want_waits || gather_is_saved(&c->gather)))
		memory_waits_collect(&c->gather);
	if (!r && options->want_waits && !gather_is_saved(&c->gather))
		waits_collect(&c->gather);
	if (!r && (options->want_threads || options->want_events))
		identify_processes(&c->gather);
	return r;
}

/*
 * /proc/locks is no snapshot of one moment: what looks like a deadlock is looked at a second time.
 * One that cannot be seen again is none.
 */
static void confirm(struct collector *c)
{
	struct collector *again;
	struct collect_error error;

	/* A core does not change. */
	if (c->options.core || !analysis_has_cycle(c->model))
		return;
	again = calloc(1, sizeof(*again));
	if (again && !look(again, &c->options, &error))
		analyse(again->model);
	if (again && again->model)
		analysis_confirm(c->model, again->model);
	collector_close(again);
}

/* The stacks of a core's threads are evidence of their own. */
static void judge_core(struct collector *c)
{
	struct model *m = c->model;
	uint32_t left = 0;

	if (!m->core.path)
		return;
	for (uint32_t i = 0; i < m->threads.count; i++) {
		if (m->threads.items[i].process != m->core.process)
			continue;
		if (m->frames.count < CORE_FRAMES_MAX)
			stacks_classify_thread(c->stacks, i);
		else
			left++;
	}
	if (left)
		model_note(m, "%u more threads of the core were not judged", left);
	stacks_note_files(c->stacks);
}

/* Where a handler was installed that has a twin with other flags: that decides about both. */
static void resolve_twins(struct collector *c)
{
	struct model *m = c->model;

	for (uint32_t i = 0; i < m->handlers.count; i++) {
		uint32_t twin = analysis_next_flags(m, i, i);

		if (twin == MODEL_NONE)
			continue;
		stacks_name_handler(c->stacks, i);
		stacks_resolve(c->stacks, m->handlers.items[i].stack);
		for (; twin != MODEL_NONE; twin = analysis_next_flags(m, i, twin))
			stacks_resolve(c->stacks, m->handlers.items[twin].stack);
	}
}

/* Handlers came into futex(): whose wait that was decides whether a signal could have ended it. */
static void resolve_waits(struct collector *c)
{
	const struct model *m = c->model;

	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		const struct model_interruption x = m->interruptions.items[i];

		if (x.syscall == SYS_futex && x.stack != MODEL_NONE)
			stacks_resolve(c->stacks, x.stack);
	}
}

/* Somebody still waits: the kernel says so, or the record of a process that was killed meanwhile. */
static void mark_waiting(struct model *m)
{
	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->use == MODEL_NONE || l->state != LOCK_WAITING)
			continue;
		struct model_use *u = &m->uses.items[l->use];

		u->is_waiting = l->evidence == EVIDENCE_OBSERVED ||
				(u->holder && m->processes.items[u->process].state == PROCESS_KILLED);
	}
}

/* Names what the analysis talks about, then lets it judge. */
static int judge(struct collector *c)
{
	struct model *m = c->model;

	c->stacks = stacks_new(m, c->proc, c->gather.segments, c->gather.segment_room,
			       c->options.sysroot, c->options.max_frames);
	if (!c->stacks)
		return -ENOMEM;
	if (c->gather.core)
		stacks_set_core(c->stacks, c->gather.core_process, c->gather.core, c->options.exe);
	for (uint32_t i = 0; i < m->handlers.count; i++)
		if (c->options.want_handlers || m->handlers.items[i].errno_clobbered)
			stacks_name_handler(c->stacks, i);
	for (uint32_t i = 0; !c->options.want_handlers && i < m->calls.count; i++)
		if (m->calls.items[i].handler != MODEL_NONE)
			stacks_name_handler(c->stacks, m->calls.items[i].handler);
	for (uint32_t i = 0; i < m->resources.count; i++)
		if (m->resources.items[i].kind == RESOURCE_MEMORY)
			stacks_name_memory(c->stacks, i);
	for (uint32_t i = 0; i < m->waits.count; i++)
		if (m->waits.items[i].address)
			stacks_name_wait(c->stacks, i);
	mark_waiting(m);
	for (uint32_t i = 0; !c->options.want_handlers && i < m->uses.count; i++)
		if (m->uses.items[i].handler != MODEL_NONE)
			stacks_name_handler(c->stacks, m->uses.items[i].handler);
	for (uint32_t i = 0; i < m->calls.count; i++)
		stacks_classify(c->stacks, i);
	resolve_twins(c);
	resolve_waits(c);
	judge_core(c);
	analyse(m);
	confirm(c);
	return 0;
}

int collector_open(const struct collect_options *options, struct collector **collector,
		   struct collect_error *error)
{
	struct collector *c = calloc(1, sizeof(*c));

	if (!c)
		return collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	int r = look(c, options, error);

	if (!r && judge(c))
		r = collect_fail(error, -ENOMEM, "memory", strerror(ENOMEM), "");
	if (r) {
		collector_close(c);
		return r;
	}
	if (c->model->out_of_memory)
		model_note(c->model, "memory ran out: what is shown is incomplete");
	*collector = c;
	return 0;
}

void collector_close(struct collector *c)
{
	if (!c)
		return;
	stacks_free(c->stacks);
	for (uint32_t i = 0; i < c->gather.segment_room; i++)
		segment_close(c->gather.segments[i]);
	free(c->gather.segments);
	gather_done(&c->gather);
	model_free(c->model);
	proc_free(c->proc);
	free(c);
}

struct model *collector_model(struct collector *c)
{
	return c->model;
}

int collector_resolve(struct collector *c, uint32_t stack)
{
	return stacks_resolve(c->stacks, stack);
}

uint32_t collector_thread_stack(struct collector *c, uint32_t thread)
{
	return stacks_thread(c->stacks, thread);
}

uint32_t collector_copy_thread(struct collector *c, uint32_t thread)
{
	return stacks_copy_thread(c->stacks, thread, c->options.may_stop);
}
