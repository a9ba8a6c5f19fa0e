/* What the processes that a report was asked about are doing now, in one line each and what they
 * wait for under it. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/doing.h"
#include "cli/render_text.h"
#include "cli/text.h"

#define PROCESSES_MAX 20
#define KINDS_MAX 8  /* of doings that are told of one process */
#define CHAIN_MAX 16 /* waiters behind waiters */

/* The thread that stands for a process: its main thread, MODEL_NONE if nobody looked at it. */
static uint32_t main_thread(const struct model *m, uint32_t process)
{
	return model_find_thread(m, process, m->processes.items[process].pid);
}

static void put_thread(const struct view *v, uint32_t thread)
{
	char *doing = thread == MODEL_NONE ? NULL : doing_text(v, thread);

	text_put(v->out, doing ? doing : "what it is doing was not looked at");
	free(doing);
}

/* Whom the thread waits for, whom he waits for, and so on: indented, one below the other. */
static void put_chain(const struct view *v, uint32_t thread)
{
	const struct model *m = v->model;
	uint32_t wait = doing_wait(m, thread);

	for (unsigned depth = 1; wait != MODEL_NONE && depth < CHAIN_MAX; depth++) {
		uint32_t ahead = m->locks.items[wait].blocker;

		if (ahead == MODEL_NONE || m->locks.items[ahead].process == MODEL_NONE)
			return;
		const struct model_lock *l = &m->locks.items[ahead];

		thread = l->thread != MODEL_NONE ? l->thread : main_thread(m, l->process);
		fprintf(v->out, "%*s", (int)(4 * depth), "");
		text_process(v, l->process);
		fputs(": ", v->out);
		put_thread(v, thread);
		fputc('\n', v->out);
		wait = thread == MODEL_NONE ? MODEL_NONE : doing_wait(m, thread);
	}
}

/* "    48 threads in futex", for each different doing, and the chains of those that wait for a
 * lock. */
static void put_kinds(const struct view *v, uint32_t first, uint32_t end)
{
	uint32_t kinds = 0;

	for (uint32_t i = first; i < end; i++) {
		const char *doing = v->backtraces[i].doing;
		uint32_t count = 0, before = 0;

		for (uint32_t j = first; doing && j < end; j++)
			if (v->backtraces[j].doing && !strcmp(doing, v->backtraces[j].doing))
				*(j < i ? &before : &count) += 1;
		if (!doing || before)
			continue;
		if (kinds++ == KINDS_MAX) {
			fputs("    and others\n", v->out);
			return;
		}
		fprintf(v->out, "    %u thread%s: ", count, count == 1 ? "" : "s");
		text_put(v->out, doing);
		fputc('\n', v->out);
		put_chain(v, v->backtraces[i].thread);
	}
}

static void put_process(const struct view *v, uint32_t first, uint32_t end)
{
	text_process(v, v->backtraces[first].process);
	if (end - first > 1) {
		fprintf(v->out, ", %u threads\n", end - first);
		put_kinds(v, first, end);
		return;
	}
	fputs(": ", v->out);
	put_thread(v, v->backtraces[first].thread);
	fputc('\n', v->out);
	put_chain(v, v->backtraces[first].thread);
}

void text_live(const struct view *v)
{
	uint32_t end, count = 0;

	for (uint32_t i = 0; i < v->thread_backtraces; i = end) {
		end = i + 1;
		while (end < v->thread_backtraces &&
		       v->backtraces[end].process == v->backtraces[i].process)
			end++;
		if (count++ < PROCESSES_MAX || v->show_all)
			put_process(v, i, end);
	}
	if (count > PROCESSES_MAX && !v->show_all)
		fprintf(v->out, "and %u more processes (--all shows them)\n",
			count - PROCESSES_MAX);
}
