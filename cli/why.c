#include "config.h"

#include "cli/why.h"

#include <stdlib.h>
#include <string.h>

#include "cli/doing.h"
#include "cli/text.h"
#include "collector/model/findings.h"

#define LINKS_OF_CAUSE 30 /* that are followed for a line of the graph */
#define LINKS_NAMED 3     /* of a longer chain, in the sentence; and its end */

/* --- one link ----------------------------------------------------------------------------------
 */

/* A sentence has many names: of a path the last part. */
static void put_name(FILE *out, const struct model *m, uint32_t process)
{
	const struct model_process *p;
	const char *slash;

	if (process == MODEL_NONE) {
		fputs("somebody", out);
		return;
	}
	p = &m->processes.items[process];
	slash = *p->name == '/' ? strrchr(p->name, '/') : NULL;
	fprintf(out, "%s (pid %d)",
		slash && slash[1] ? slash + 1
		: *p->name        ? p->name
				  : "?",
		p->pid);
}

static void put_limit(FILE *out, const struct model *m, const struct model_wait *w)
{
	char buffer[TEXT_SIZE];

	if (w->until_ns == UINT64_MAX && w->kind != WAIT_LOCK && w->kind != WAIT_SLEEP)
		fputs(", with a time limit", out);
	else if (w->until_ns != UINT64_MAX && w->until_ns > m->now_ns)
		fprintf(out, ", for at most %s more",
			text_duration(buffer, w->until_ns - m->now_ns));
}

static void put_idle(FILE *out, const struct model_wait *w)
{
	char buffer[TEXT_SIZE];

	if (w->idle_ns)
		fprintf(out, ", from where nothing has come for %s",
			text_duration(buffer, w->idle_ns));
}

static void put_stop(FILE *out, const struct model *m, uint32_t thread)
{
	const char *tracer = thread == MODEL_NONE ? NULL : m->threads.items[thread].tracer;

	fprintf(out, "is stopped by its debugger%s%s", tracer ? " " : "", tracer ? tracer : "");
}

static void put_lock(FILE *out, const struct model *m, const struct model_wait *w)
{
	const struct model_lock *l = &m->locks.items[w->lock];

	fprintf(out, "%s %s%s", l->state == LOCK_POLLING ? "keeps trying to get" : "waits for",
		lock_is_of_threads(l->kind) ? "" : "a ", w->object);
}

static void put_wait(FILE *out, const struct model *m, const struct chain_link *l)
{
	const struct model_wait *w = &m->waits.items[l->wait];

	switch (w->kind) {
	case WAIT_LOCK:
		put_lock(out, m, w);
		break;
	case WAIT_SLEEP:
		fputs("sleeps", out);
		break;
	case WAIT_STOPPED:
		fputs("is stopped by a signal", out);
		break;
	case WAIT_TRACED:
		put_stop(out, m, l->thread);
		break;
	case WAIT_DISK:
		fprintf(out, "is in uninterruptible sleep, waiting for %s", w->object);
		break;
	default:
		fprintf(out, "waits for %s", w->object);
	}
	put_idle(out, w);
	put_limit(out, m, w);
}

static void put_blocked(FILE *out, const struct view *v, const struct chain_link *l)
{
	char *doing = l->thread == MODEL_NONE ? NULL : doing_text(v, l->thread);

	fprintf(out, "is %s", doing ? doing : "blocked");
	free(doing);
}

static void put_doing(FILE *out, const struct view *v, const struct chain_link *l)
{
	if (l->end == CHAIN_HEAP)
		fputs("waits for itself in the heap", out);
	else if (l->wait != MODEL_NONE)
		put_wait(out, v->model, l);
	else if (l->end == CHAIN_RUNS)
		fputs("is running", out);
	else if (l->end == CHAIN_ENDED)
		fputs("has ended", out);
	else if (l->end == CHAIN_STOPPED)
		fputs("is stopped by a signal", out);
	else if (l->end == CHAIN_TRACED)
		put_stop(out, v->model, l->thread);
	else if (l->end == CHAIN_OWNER)
		fputs("could not be found", out);
	else if (l->end == CHAIN_UNSEEN)
		fputs("was not looked at", out);
	else
		put_blocked(out, v, l);
}

static char *end_text(FILE *out, char **text)
{
	if (!fclose(out))
		return *text;
	free(*text);
	return NULL;
}

char *why_doing(const struct view *v, const struct chain_link *l)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_doing(out, v, l);
	return end_text(out, &text);
}

/* --- the sentence ------------------------------------------------------------------------------
 */

const struct model_finding *why_deadlock(const struct model *m, const struct chain_link *l)
{
	uint32_t number = l->wait == MODEL_NONE ? 0 : m->waits.items[l->wait].deadlock;

	for (uint32_t i = 0; number && i < m->findings.count; i++)
		if (m->findings.items[i].deadlock == number)
			return &m->findings.items[i];
	return NULL;
}

/* The first of the links behind this one, or NULL. */
static const struct chain_link *next_link(const struct chain *c, const struct chain_link *l)
{
	uint32_t next = l - c->links + 1;

	return next < c->count && c->links[next].parent == next - 1 ? &c->links[next] : NULL;
}

const struct chain_link *why_root(const struct chain *c)
{
	const struct chain_link *l = c->links;

	for (const struct chain_link *next = l; next; next = next_link(c, l))
		l = next;
	return l;
}

/* How the link stands in the way of the one before it: ", held by /bin/x (pid 5), which ". */
static void put_relation(FILE *out, const struct model *m, const struct chain *c,
			 const struct chain_link *l)
{
	const struct model_wait *w = &m->waits.items[c->links[l->parent].wait];
	const char *how = l->way == MODEL_NONE ? NULL : m->ways.items[l->way].how;
	bool is_held = l->need != MODEL_NONE && m->needs.items[l->need].hold != MODEL_NONE;

	if (w->kind == WAIT_CHILD || w->kind == WAIT_JOIN) {
		fputs(", which ", out);
		return;
	}
	fputs(is_held || !how ? ", held by " : ", where ", out);
	put_name(out, m, l->process);
	if (is_held || !how)
		fputs(l->process == MODEL_NONE ? ", who " : ", which ", out);
	else
		fprintf(out, " %s and ", how);
}

/* Why what looks like a deadlock is none for sure: the first reason around the circle. */
static const char *doubt(const struct model *m, const struct chain *c, const struct chain_link *l)
{
	for (const struct chain_link *at = &c->links[l->back]; at <= l; at++) {
		const struct model_wait *w =
			at->wait == MODEL_NONE ? NULL : &m->waits.items[at->wait];
		const char *unseen = at != &c->links[l->back] && at->need != MODEL_NONE
					     ? m->needs.items[at->need].unseen
					     : NULL;

		if (unseen || (w && w->unseen))
			return unseen ? unseen : w->unseen;
		if (w && w->until_ns)
			return "one of these waits ends by itself";
	}
	return "one of them may go on by another thread or another way";
}

static void put_cycle(FILE *out, const struct model *m, const struct chain *c,
		      const struct chain_link *l)
{
	fputs(", and that again by ", out);
	put_name(out, m, l->process);
	fprintf(out, ": a circle, but no deadlock for sure, because %s", doubt(m, c, l));
}

static void put_link(FILE *out, const struct view *v, const struct chain *c,
		     const struct chain_link *l)
{
	if (l->end == CHAIN_CYCLE) {
		put_cycle(out, v->model, c, l);
		return;
	}
	if (l->parent != MODEL_NONE)
		put_relation(out, v->model, c, l);
	put_doing(out, v, l);
}

/* The first one's name and doing are joined by `first`. */
static void put_chain(FILE *out, const struct view *v, const struct chain *c, const char *first)
{
	const struct chain_link *root = why_root(c);
	uint32_t shown = 0;

	put_name(out, v->model, c->links->process);
	fputs(first, out);
	for (const struct chain_link *l = c->links; l; l = next_link(c, l)) {
		const struct model_finding *f = why_deadlock(v->model, l);

		if (f && v->model->waits.items[l->wait].is_in_cycle) {
			put_relation(out, v->model, c, l);
			fprintf(out, "is in a deadlock: %s", f->headline);
			return;
		}
		if (shown++ < LINKS_NAMED || l == root)
			put_link(out, v, c, l);
		else if (shown == LINKS_NAMED + 1)
			fprintf(out, ", and so on through %u more to the end of the chain",
				root->depth - LINKS_NAMED);
	}
}

static void put_sentence(FILE *out, const struct view *v, const struct chain *c)
{
	const struct model *m = v->model;
	const struct model_finding *f = why_deadlock(m, c->links);

	if (f && m->waits.items[c->links->wait].is_in_cycle) {
		fprintf(out, "%s: %s", finding_info(f->kind)->title, f->headline);
		return;
	}
	if (f)
		fprintf(out, "%s: ", finding_info(f->kind)->title);
	if (chain_is_stuck(c, m)) {
		put_chain(out, v, c, " ");
		return;
	}
	put_name(out, m, c->links->process);
	fputs(c->links->end == CHAIN_ENDED ? " " : " is not stuck: it ", out);
	put_doing(out, v, c->links);
	if (c->links->end == CHAIN_ENDED)
		fputs("; it did not wait for anything that was recorded", out);
}

char *why_sentence(const struct view *v, const struct chain *c)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_sentence(out, v, c);
	return end_text(out, &text);
}

static bool has_cause(const struct view *v, const struct chain *c)
{
	const struct chain_link *root = why_root(c);

	return root->end != CHAIN_ENDED && root->end != CHAIN_UNSEEN && root->end != CHAIN_HEAP &&
	       !why_deadlock(v->model, c->links);
}

char *why_cause_of_hold(const struct view *v, uint32_t lock, uint32_t waiters)
{
	uint32_t process = v->model->locks.items[lock].process;
	char *text = NULL;
	size_t size;
	struct chain c;
	FILE *out;

	if (process == MODEL_NONE || chain_build(&c, &v->looks, process, LINKS_OF_CAUSE))
		return NULL;
	out = has_cause(v, &c) ? open_memstream(&text, &size) : NULL;
	if (out) {
		fprintf(out, waiters == 1 ? "%u waits for " : "%u wait for ", waiters);
		put_chain(out, v, &c, ", which ");
		text = end_text(out, &text);
	}
	chain_done(&c);
	return text;
}

/* --- what to do --------------------------------------------------------------------------------
 */

static bool is_wait(const struct model *m, const struct chain_link *l, enum wait_kind kind)
{
	return l->wait != MODEL_NONE && m->waits.items[l->wait].kind == kind;
}

/* What helps without ending anybody. False: nothing. */
static bool put_gentle(FILE *out, const struct model *m, const struct chain_link *root)
{
	int pid = root->process == MODEL_NONE ? 0 : (int)m->processes.items[root->process].pid;

	if (root->end == CHAIN_STOPPED || is_wait(m, root, WAIT_STOPPED))
		fprintf(out, "let it go on: kill -CONT %d", pid);
	else if (root->end == CHAIN_TRACED || is_wait(m, root, WAIT_TRACED))
		fprintf(out, "let the debugger of pid %d go on, or detach it", pid);
	else if (root->wait != MODEL_NONE && chain_is_long_disk(m, &m->waits.items[root->wait]))
		fprintf(out,
			"look after the device or server that pid %d waits for: until that "
			"answers not even SIGKILL ends it",
			pid);
	else
		return false;
	return true;
}

static void put_victim(FILE *out, const struct model *m, const struct chain *c, bool is_second)
{
	char buffer[TEXT_SIZE];

	fprintf(out, "%send ", is_second ? "; or " : "");
	put_name(out, m, c->victim);
	fprintf(out, ": %s then %s on", text_count(buffer, c->freed, "other process"),
		c->freed == 1 ? "goes" : "go");
}

char *why_advice(const struct view *v, const struct chain *c)
{
	char *text = NULL;
	size_t size;
	FILE *out;
	bool is_gentle;

	if (!chain_is_stuck(c, v->model) || !(out = open_memstream(&text, &size)))
		return NULL;
	is_gentle = put_gentle(out, v->model, why_root(c));
	if (c->victim != MODEL_NONE) {
		put_victim(out, v->model, c, is_gentle);
	} else if (why_root(c)->end == CHAIN_HEAP) {
		fputs("end ", out);
		put_name(out, v->model, why_root(c)->process);
		fputs(": it can never go on", out);
	}
	text = end_text(out, &text);
	if (text && *text)
		return text;
	free(text);
	return NULL;
}

/* --- for scripts -------------------------------------------------------------------------------
 */

static const char *const end_words[CHAIN_ENDS] = {
	[CHAIN_CYCLE] = "circle",  [CHAIN_HEAP] = "heap",       [CHAIN_OWNER] = "owner",
	[CHAIN_ENDED] = "ended",   [CHAIN_STOPPED] = "stopped", [CHAIN_TRACED] = "traced",
	[CHAIN_DISK] = "disk",     [CHAIN_RUNS] = "running",    [CHAIN_BLOCKED] = "blocked",
	[CHAIN_UNSEEN] = "unseen", [CHAIN_CUT] = "cut",
};

const char *why_cause(const struct model *m, const struct chain *c)
{
	const struct chain_link *root = why_root(c);

	if (why_deadlock(m, c->links))
		return "deadlock";
	if (root->end == CHAIN_WAIT)
		return wait_kind_name(m->waits.items[root->wait].kind);
	return end_words[root->end] ? end_words[root->end] : "unknown";
}
