/*
 * Why a process is stuck, as text: one sentence, the links of the chain with where each thread is
 * and where it took what others wait for, and what to do.
 */
#include "config.h"

#include <stdlib.h>

#include "cli/render_text.h"
#include "cli/text.h"
#include "cli/why.h"

#define STACKS_MAX 12 /* links that get backtraces, unless everything is asked for */

static void put_line(const struct view *v, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fputs(label, v->out);
	text_put(v->out, text);
	fputc('\n', v->out);
}

/* ", thread 12", if it is not the main thread. */
static void put_thread(const struct view *v, const struct chain_link *l)
{
	const struct model *m = v->model;

	if (l->thread != MODEL_NONE && l->process != MODEL_NONE &&
	    m->threads.items[l->thread].tid != m->processes.items[l->process].pid)
		fprintf(v->out, ", thread %d", m->threads.items[l->thread].tid);
}

static void put_since(const struct view *v, uint64_t since_ns)
{
	const struct model *m = v->model;
	char buffer[TEXT_SIZE];

	if (!since_ns || since_ns > m->now_ns)
		return;
	fprintf(v->out, ", for %s", text_duration(buffer, m->now_ns - since_ns));
	fprintf(v->out, " (since %s)", text_clock(buffer, text_real_ns(m, since_ns)));
}

static void put_frames(struct view *v, uint32_t stack, const char *title)
{
	if (stack == MODEL_NONE)
		return;
	fprintf(v->out, "      %s:\n", title);
	text_frames(v, stack, 7);
}

/* What it has that the link before it waits for, and where it took it. */
static void put_hold(struct view *v, const struct chain_link *l, bool has_stacks)
{
	const struct model *m = v->model;
	uint32_t hold = l->need == MODEL_NONE ? MODEL_NONE : m->needs.items[l->need].hold;
	const char *unseen = l->need == MODEL_NONE ? NULL : m->needs.items[l->need].unseen;

	if (hold != MODEL_NONE) {
		const struct model_lock lock = m->locks.items[hold];

		fprintf(v->out, "      holds the %s lock",
			lock.mode == MODE_WRITE ? "WRITE" : "READ");
		put_since(v, lock.since_ns);
		fputc('\n', v->out);
		if (has_stacks && view_resolve(v, lock.stack))
			put_frames(v, lock.stack, "where it was taken");
	} else if (l->way != MODEL_NONE && m->ways.items[l->way].how) {
		put_line(v, "      ", m->ways.items[l->way].how);
	}
	put_line(v, "      not certain: ", unseen);
}

static void put_wait(struct view *v, const struct chain_link *l, bool has_stacks)
{
	const struct model *m = v->model;

	if (l->wait == MODEL_NONE)
		return;
	const struct model_wait *w = &m->waits.items[l->wait];

	put_line(v, "      not all is known: ", w->unseen);
	if (w->kind == WAIT_LOCK && has_stacks && view_resolve(v, m->locks.items[w->lock].stack))
		put_frames(v, m->locks.items[w->lock].stack, "where it was asked for");
}

static void put_others(const struct view *v, const struct chain *c, uint32_t link)
{
	const struct chain_link *l = &c->links[link];
	char buffer[TEXT_SIZE];

	if (l->parent != MODEL_NONE && l->parent + 1 != link)
		fprintf(v->out, "      stands in the way of %u, too\n", l->parent + 1);
	if (l->others)
		fprintf(v->out, "      and %s more stand%s beside it\n",
			text_count(buffer, l->others, "holder"), l->others == 1 ? "s" : "");
	if (l->end == CHAIN_CYCLE || l->end == CHAIN_TOLD)
		fprintf(v->out, "      see %u\n", l->back + 1);
	if (l->end == CHAIN_CUT)
		fputs("      and so on (--all goes on)\n", v->out);
}

static void put_link(struct view *v, const struct chain *c, uint32_t link)
{
	const struct chain_link *l = &c->links[link];
	bool has_stacks = (v->show_all || link < STACKS_MAX) && l->back == MODEL_NONE;
	char *doing = why_doing(v, l);

	fprintf(v->out, "\n%3u. ", link + 1);
	text_process(v, l->process);
	put_thread(v, l);
	fputc(' ', v->out);
	text_put(v->out, doing ? doing : "");
	free(doing);
	if (l->wait != MODEL_NONE)
		put_since(v, v->model->waits.items[l->wait].since_ns);
	fputc('\n', v->out);
	put_hold(v, l, has_stacks);
	put_wait(v, l, has_stacks);
	put_others(v, c, link);
	if (has_stacks && l->thread != MODEL_NONE)
		put_frames(v, view_thread_stack(v, l->thread), "where it is now");
}

void text_why(struct view *v, const struct chain *c)
{
	char *sentence = why_sentence(v, c), *advice = why_advice(v, c);
	const struct model_finding *f = why_deadlock(v->model, c->links);

	put_line(v, "", sentence);
	put_line(v, "How we know: ", f ? f->evidence : NULL);
	put_line(v, "What to do: ", advice);
	for (uint32_t i = 0; i < c->count; i++)
		put_link(v, c, i);
	if (c->threads_left_out)
		fprintf(v->out, "\nand %u more threads of it wait for others, too\n",
			c->threads_left_out);
	free(sentence);
	free(advice);
	text_other_findings(v);
	text_notes(v);
}
