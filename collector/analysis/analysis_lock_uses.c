/*
 * lock-in-handler: a lock that is taken in a handler and also by code that the handler can come to.
 * What happens then depends on who owns it (fcntl(2), flock(2)):
 *
 * - itself: another owner (flock and OFD locks of two descriptions; POSIX beside OFD). The handler
 *   waits for the code that it interrupted, for ever. Only for requests that wait, and that
 *   conflict.
 *
 * - drop: the same owner (POSIX locks of one process; one open file description). The request is
 *   granted at once, waiting or not, whatever the modes; but the handler's unlock, or its close()
 *   of the file, ends the lock of the code that it interrupted.
 *
 * - waited: neither, but a request in the handler slept while somebody else had the lock, or still
 *   does. The program stands still in its handler as long as that lasts. A wait for flock that is
 *   over is not known: the kernel tells nobody who has one.
 *
 * That the handler can come there is known from one of two things: it came (USE_INTERRUPTED), or
 * its signal was not blocked when the lock was asked for (lockdep's idea: no bad luck is needed).
 * A handler that only tries (F_OFD_SETLK, LOCK_NB) never waits.
 *
 * The same handler of one program is one finding of each sort, whatever process it ran in. What
 * another process of the program does is looked at last: a server's children run the same code.
 * Locks of threads are not here: a handler that waits for one has made an unsafe call.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"

enum sort {
	SORT_ITSELF,
	SORT_DROP,
	SORT_WAITED,
	SORT_NONE
};

/* A request in a handler, and what makes it a finding. */
struct match {
	uint32_t inside;  /* the use in the handler */
	uint32_t outside; /* the other one; MODEL_NONE for SORT_WAITED */
	enum sort sort;
};

/* --- do two uses meet? ------------------------------------------------------------------------ */

static bool is_same_file(const struct model_use *a, const struct model_use *b)
{
	return a->ino && a->dev == b->dev && a->ino == b->ino;
}

static bool are_of_one_world(const struct model_use *a, const struct model_use *b)
{
	return (a->kind == LOCK_FLOCK) == (b->kind == LOCK_FLOCK) && a->kind <= LOCK_FLOCK &&
	       b->kind <= LOCK_FLOCK;
}

static bool is_one_owner(const struct model *m, const struct model_use *a,
			 const struct model_use *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == LOCK_POSIX)
		return analysis_is_same_process(m, a->process, b->process) ||
		       /* What one process of the program does, the other may do as well. */
		       !analysis_compare_programs(m, a->process, b->process);
	return a->ofd && a->ofd == b->ofd;
}

/* Can the handler of `inside` come while `outside` is held? */
static bool is_exposed(const struct model *m, const struct model_use *inside,
		       const struct model_use *outside)
{
	const struct model_handler *h = &m->handlers.items[inside->handler];

	if (outside->role == USE_INTERRUPTED)
		return !analysis_compare_dispositions(m, inside->handler, outside->handler);
	return h->signo >= 1 && h->signo <= 64 && outside->exposed >> (h->signo - 1) & 1;
}

static enum sort sort_of(const struct model *m, const struct model_use *inside,
			 const struct model_use *outside)
{
	if (inside == outside || !is_same_file(inside, outside) ||
	    !are_of_one_world(inside, outside) || inside->start > outside->end ||
	    outside->start > inside->end || !is_exposed(m, inside, outside))
		return SORT_NONE;
	if (is_one_owner(m, inside, outside))
		return SORT_DROP;
	/* Whether another process would use one description or two is not known. */
	if (inside->kind == outside->kind &&
	    !analysis_is_same_process(m, inside->process, outside->process))
		return SORT_NONE;
	if (!inside->is_blocking || (inside->mode == MODE_READ && outside->mode == MODE_READ))
		return SORT_NONE;
	return SORT_ITSELF;
}

/* --- finding the other one -------------------------------------------------------------------- */

static bool is_request_in_handler(const struct model_use *u)
{
	return u->role == USE_TAKEN && u->handler != MODEL_NONE;
}

/* What was seen to happen tells more than what may: a delivery, and best one that ended the lock.
 */
static unsigned weight(const struct model_use *outside)
{
	return outside->dropped ? 2 : outside->role == USE_INTERRUPTED;
}

/* The best of uses[0..count-1] for the request, of its own process or of others. */
static struct match find_match(const struct model *m, uint32_t inside, const uint32_t *uses,
			       uint32_t count, bool is_own)
{
	const struct model_use *u = &m->uses.items[inside];
	struct match best = {inside, MODEL_NONE, SORT_NONE};

	for (uint32_t i = 0; i < count; i++) {
		const struct model_use *other = &m->uses.items[uses[i]];
		enum sort sort;

		if (analysis_is_same_process(m, u->process, other->process) != is_own ||
		    (sort = sort_of(m, u, other)) == SORT_NONE)
			continue;
		if (best.outside == MODEL_NONE || sort < best.sort ||
		    (sort == best.sort && weight(other) > weight(&m->uses.items[best.outside])))
			best = (struct match){inside, uses[i], sort};
	}
	return best;
}

/* Uses of one file in one program. */
static int compare_files(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_use *x = &m->uses.items[a], *y = &m->uses.items[b];

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return analysis_compare_programs(m, x->process, y->process);
}

#define OTHERS_MAX                                                                                 \
	4096 /* uses of other processes of the program that one request is held against */

static struct match match_of(const struct model *m, uint32_t inside, const uint32_t *uses,
			     uint32_t count)
{
	const struct model_use *u = &m->uses.items[inside];
	struct match match = find_match(m, inside, uses, count, true);

	if (match.sort != SORT_NONE)
		return match;
	if (u->waited_ns || u->is_waiting)
		return (struct match){inside, MODEL_NONE, SORT_WAITED};
	return find_match(m, inside, uses, count < OTHERS_MAX ? count : OTHERS_MAX, false);
}

/* --- a finding -------------------------------------------------------------------------------- */

static int compare_matches(const void *a, const void *b, void *model)
{
	const struct model *m = model;
	const struct match *x = a, *y = b;
	int order = analysis_compare_dispositions(m, m->uses.items[x->inside].handler,
						  m->uses.items[y->inside].handler);

	if (!order)
		order = (x->sort > y->sort) - (x->sort < y->sort);
	return order;
}

/* The best known first, then by index, so that its order never depends on qsort. */
static int compare_all(const void *a, const void *b, void *model)
{
	const struct match *x = a, *y = b;
	const struct model *m = model;
	int order = compare_matches(a, b, model);

	if (!order && x->outside != MODEL_NONE && y->outside != MODEL_NONE)
		order = (int)weight(&m->uses.items[y->outside]) -
			(int)weight(&m->uses.items[x->outside]);
	return order ? order : (x->inside > y->inside) - (x->inside < y->inside);
}

static const char *more_files_text(struct model *m, const struct match *matches, uint32_t count)
{
	unsigned more = 0;

	for (uint32_t i = 1; i < count; i++)
		more += !is_same_file(&m->uses.items[matches[i].inside],
				      &m->uses.items[matches[i - 1].inside]);
	return more ? model_stringf(m, " and %u more file%s", more, more == 1 ? "" : "s") : "";
}

static const char *headline(struct model *m, const struct match *matches, uint32_t count,
			    const char *handler, const char *processes)
{
	const char *lock = model_stringf(m, "%s%s", analysis_use_text(m, matches[0].inside),
					 more_files_text(m, matches, count));

	switch (matches[0].sort) {
	case SORT_ITSELF:
		return model_stringf(m,
				     "%s takes %s, for which it waits for ever if the code that it "
				     "interrupts holds it, in %s",
				     handler, lock, processes);
	case SORT_DROP:
		return model_stringf(m,
				     "%s takes %s, which the code that it interrupts may hold: it "
				     "gets it at once, and its unlock or close() ends both, in %s",
				     handler, lock, processes);
	default:
		return model_stringf(m, "%s %s for %s in %s", handler,
				     m->uses.items[matches[0].inside].is_waiting ? "waits"
										 : "waited",
				     lock, processes);
	}
}

static const char *times_text(struct model *m, uint64_t count)
{
	return count == 1 ? "once" : model_stringf(m, "%llu times", (unsigned long long)count);
}

/* How we know that the handler can come while the lock is held. */
static const char *exposure_text(struct model *m, uint32_t outside, const char *signal_name)
{
	const struct model_use u = m->uses.items[outside];

	if (u.role == USE_TAKEN)
		return model_stringf(m, "%s was not blocked when %s was asked for outside of it%s",
				     signal_name, analysis_use_text(m, outside),
				     u.handler == MODEL_NONE ? "" : ", in another handler");
	return model_stringf(
		m, "%s came %s while the interrupted code held %s%s", signal_name,
		times_text(m, u.count), analysis_use_text(m, outside),
		u.dropped ? ", and that was unlocked, or the file closed, in the handler" : "");
}

static const char *waited_text(struct model *m, const struct model_use *inside)
{
	if (inside->is_waiting)
		return "; its request has not been answered";
	if (!inside->waited_ns)
		return "";
	return model_stringf(
		m, "; a request of its slept for %s%s",
		analysis_duration_text(m, inside->waited_ns),
		inside->holder > 0
			? model_stringf(m, ", the last time process %d had it", (int)inside->holder)
			: "");
}

static const char *evidence(struct model *m, const struct match *match)
{
	const struct model_use inside = m->uses.items[match->inside];
	const char *signal_name = analysis_signal_text(m, m->handlers.items[inside.handler].signo);
	const char *asked = model_stringf(
		m, "recorded: the handler asked for it %s, %s%s", times_text(m, inside.count),
		inside.is_blocking ? "ready to wait" : "without waiting", waited_text(m, &inside));

	if (match->sort == SORT_WAITED)
		return asked;
	return model_stringf(
		m, "%s; %s%s", asked, exposure_text(m, match->outside, signal_name),
		analysis_is_same_process(m, inside.process, m->uses.items[match->outside].process)
			? ""
			: " in another process of the program");
}

static void add_stacks(struct model *m, struct model_finding *f, const struct match *match)
{
	const struct model_use inside = m->uses.items[match->inside];
	const char *signal_name = analysis_signal_text(m, m->handlers.items[inside.handler].signo);

	analysis_add_stack(f, inside.stack,
			   model_stringf(m, "asked for in the handler of %s", signal_name));
	if (match->outside == MODEL_NONE)
		return;
	analysis_add_stack(f, m->uses.items[match->outside].stack,
			   m->uses.items[match->outside].role == USE_INTERRUPTED
				   ? "the interrupted code had taken it"
				   : model_stringf(m, "taken with %s unblocked", signal_name));
}

static void report(struct model *m, const struct match *matches, uint32_t count)
{
	const struct model_use first = m->uses.items[matches[0].inside];
	const int signo = m->handlers.items[first.handler].signo;
	struct model_finding *f = analysis_add(m, FINDING_LOCK_IN_HANDLER);
	uint32_t process = MODEL_NONE;

	if (!f)
		return;
	for (uint32_t i = 0; i < count; i++) {
		const struct model_use *u = &m->uses.items[matches[i].inside];
		uint32_t outside = matches[i].outside;

		f->count += u->count;
		if (!f->first_ns || u->first_ns < f->first_ns)
			f->first_ns = u->first_ns;
		if (u->last_ns > f->last_ns)
			f->last_ns = u->last_ns;
		if (!analysis_is_same_process(m, u->process, process))
			analysis_add_process(f, u->process);
		process = u->process;
		/* It is lost, and the code that had taken it does not know. */
		if (outside != MODEL_NONE && m->uses.items[outside].dropped)
			f->severity = SEVERITY_ERROR;
	}
	add_stacks(m, f, &matches[0]);
	analysis_set_handler(m, f, first.handler, signo);
	f->headline = headline(m, matches, count, analysis_handler_text(m, first.handler, signo),
			       analysis_processes_text(m, f));
	f->evidence = evidence(m, &matches[0]);
}

/* --- all of them ------------------------------------------------------------------------------ */

struct matches {
	struct match *items;
	uint32_t count;
};

static void collect(const struct model *m, const uint32_t *uses, uint32_t count,
		    struct matches *matches)
{
	for (uint32_t i = 0; i < count; i++) {
		struct match match;

		if (!is_request_in_handler(&m->uses.items[uses[i]]))
			continue;
		match = match_of(m, uses[i], uses, count);
		if (match.sort != SORT_NONE)
			matches->items[matches->count++] = match;
	}
}

static int compare_uses(const void *a, const void *b, void *model)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = compare_files(model, x, y);

	return order ? order : (x > y) - (x < y);
}

static void match_all(const struct model *m, uint32_t *uses, struct matches *matches)
{
	uint32_t count = m->uses.count;

	for (uint32_t i = 0; i < count; i++)
		uses[i] = i;
	qsort_r(uses, count, sizeof(*uses), compare_uses, (void *)m);
	for (uint32_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && !compare_files(m, uses[i], uses[end]);)
			end++;
		collect(m, &uses[i], end - i, matches);
	}
	qsort_r(matches->items, matches->count, sizeof(*matches->items), compare_all, (void *)m);
}

/* Handlers that take locks are rare: without one there is nothing to look for. */
static uint32_t count_requests(const struct model *m)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->uses.count; i++)
		count += is_request_in_handler(&m->uses.items[i]);
	return count;
}

void detect_lock_uses(struct model *m)
{
	uint32_t requests = count_requests(m);
	struct matches matches = {.items = calloc(requests + (size_t)1, sizeof(struct match))};
	uint32_t *uses = requests ? calloc(m->uses.count, sizeof(*uses)) : NULL;

	if (matches.items && uses)
		match_all(m, uses, &matches);
	else
		m->out_of_memory |= requests > 0;
	for (uint32_t i = 0, end; i < matches.count; i = end) {
		for (end = i + 1; end < matches.count &&
				  !compare_matches(&matches.items[i], &matches.items[end], m);)
			end++;
		report(m, &matches.items[i], end - i);
	}
	free(uses);
	free(matches.items);
}
