#include "config.h"

#include "cli/doing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/arch/syscall_name.h"

uint32_t doing_wait(const struct model *m, uint32_t thread)
{
	const struct model_thread *t = &m->threads.items[thread];
	const char *call = syscall_name(t->syscall);

	if (!call || (strcmp(call, "fcntl") && strcmp(call, "flock")))
		return MODEL_NONE;
	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->state == LOCK_WAITING && l->evidence != EVIDENCE_STALE &&
		    (l->thread == thread || (l->thread == MODEL_NONE && l->process == t->process)))
			return i;
	}
	return MODEL_NONE;
}

static void put_wait(FILE *out, const struct model *m, const struct model_lock *l)
{
	const char *path = m->resources.items[l->resource].path;
	const struct model_lock *ahead =
		l->blocker == MODEL_NONE ? NULL : &m->locks.items[l->blocker];

	fprintf(out, "waits for a %s lock on %s", l->mode == MODE_WRITE ? "WRITE" : "READ",
		*path ? path : "a file without a name");
	if (ahead && ahead->process != MODEL_NONE)
		fprintf(out, ", %s pid %d", ahead->state == LOCK_HELD ? "held by" : "behind",
			m->processes.items[ahead->process].pid);
}

static void put_call(FILE *out, const struct model_thread *t)
{
	const char *name = syscall_name(t->syscall);

	if (t->syscall < 0)
		fputs("blocked outside of a system call", out);
	else if (name)
		fprintf(out, "in %s", name);
	else
		fprintf(out, "in system call %ld", t->syscall);
	if (t->waits_on)
		fprintf(out, " of descriptor %d (%s)", (int)t->syscall_args[0], t->waits_on);
}

static void put_doing(FILE *out, const struct model *m, uint32_t thread)
{
	const struct model_thread *t = &m->threads.items[thread];
	uint32_t wait = doing_wait(m, thread);

	if (t->task_state == 't')
		fprintf(out, "stopped by its tracer %s, ", t->tracer ? t->tracer : "");
	else if (t->task_state == 'T')
		fputs("stopped by a signal, ", out);
	else if (t->task_state == 'D')
		fprintf(out, "in uninterruptible sleep%s%s, ", t->wchan ? " in the kernel's " : "",
			t->wchan ? t->wchan : "");
	if (t->task_state == 'R')
		fputs("running", out);
	else if (t->task_state == 'Z' || t->task_state == 'X')
		fputs("has ended", out);
	else if (wait != MODEL_NONE)
		put_wait(out, m, &m->locks.items[wait]);
	else
		put_call(out, t);
}

char *doing_text(const struct view *v, uint32_t thread)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (thread == MODEL_NONE || !v->model->threads.items[thread].task_state)
		return NULL;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	put_doing(out, v->model, thread);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
