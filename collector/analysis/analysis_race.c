/*
 * flag-race: a handler only sets a flag, and its signal is not blocked where the program looks at
 * flags and then waits. Proven where it came so: the program had entered the call, and was not in
 * the kernel yet. Else a note, by construction: the call ended with EINTR, so nothing keeps the
 * signal from coming a moment earlier. Signals that only the call itself lets in (ppoll() with a
 * mask) are not in the record; who wakes the loop or does the work has acted; a call with a short
 * time limit is not for long. Of a process with several threads another one may look at the flag.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/arch/blocking_call.h"

#define SHORT_NS UINT64_C(1000000000) /* a flag that is seen so soon is seen */

/* Loops wait here. Not in locks, and not where others are about to take or give what is asked for.
 */
static bool is_flag_wait(long number)
{
	switch (number) {
#ifdef SYS_poll
	case SYS_poll:
	case SYS_select:
	case SYS_epoll_wait:
	case SYS_pause:
#endif
	case SYS_ppoll:
	case SYS_pselect6:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_rt_sigsuspend:
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_accept:
	case SYS_accept4:
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_msgrcv:
	case SYS_mq_timedreceive:
	case SYS_wait4:
	case SYS_waitid:
		return true;
	default:
		return false;
	}
}

/* Before the call: one that SA_RESTART repeats may as well have been interrupted. */
static bool is_proven(const struct model *m, const struct model_interruption *x)
{
	const struct blocking_call *call = analysis_blocking_call(x);

	return call && x->count > x->acted &&
	       (call->restart == CALL_NEVER_RESTARTS ||
		!(m->handlers.items[x->handler].flags & SA_RESTART));
}

/*
 * Who sets an alarm knows when it comes. Who waits for a child mostly waits for it again. A call
 * with any time limit belongs to a loop that looks again.
 */
static bool is_latent(const struct model *m, const struct model_interruption *x)
{
	return x->ended > x->ended_acted && m->handlers.items[x->handler].signo != SIGALRM &&
	       x->syscall != SYS_wait4 && x->syscall != SYS_waitid && x->limit_ns == MODEL_NO_LIMIT;
}

static bool is_race(const struct model *m, const struct model_interruption *x)
{
	const struct model_handler *h = &m->handlers.items[x->handler];

	return is_flag_wait(x->syscall) && x->limit_ns > SHORT_NS && !h->acted &&
	       (analysis_is_request(h->signo) || h->signo == SIGCHLD) &&
	       (is_proven(m, x) || is_latent(m, x));
}

/* What has been seen to happen first, the longest waits first. */
static int compare_weights(const struct model *m, const struct model_interruption *x,
			   const struct model_interruption *y)
{
	if (is_proven(m, x) != is_proven(m, y))
		return is_proven(m, x) ? -1 : 1;
	return (x->limit_ns < y->limit_ns) - (x->limit_ns > y->limit_ns);
}

static int compare_keys(const struct model *m, uint32_t a, uint32_t b)
{
	return analysis_compare_dispositions(m, m->interruptions.items[a].handler,
					     m->interruptions.items[b].handler);
}

static const struct model_interruption *find_first(const struct model *m, const uint32_t *items,
						   uint32_t count)
{
	const struct model_interruption *first = &m->interruptions.items[items[0]];

	for (uint32_t i = 1; i < count; i++)
		if (compare_weights(m, &m->interruptions.items[items[i]], first) < 0)
			first = &m->interruptions.items[items[i]];
	return first;
}

/* The next tick of a timer ends the call. */
static bool is_ticking(const struct model_handler *h)
{
	return h->signo == SIGALRM && h->deliveries > 1;
}

static enum severity severity_of(const struct model *m, const struct model_interruption *x)
{
	const struct model_handler *h = &m->handlers.items[x->handler];
	bool is_alone = !m->processes.items[x->process].has_children_threads;

	return is_alone && is_proven(m, x) && x->limit_ns == MODEL_NO_LIMIT &&
			       analysis_is_request(h->signo) && !is_ticking(h)
		       ? SEVERITY_WARNING
		       : SEVERITY_NOTE;
}

static const char *headline(struct model *m, const struct model_finding *f,
			    const struct model_interruption *x)
{
	const char *form =
		is_proven(m, x)
			? "%s ran right before %s blocked in %s: after its last look at a "
			  "flag, and too early to end the call"
			: "%s ends a wait of %s in %s only if it comes inside the call: one "
			  "moment before, nothing does";
	const char *handler =
		analysis_handler_text(m, x->handler, m->handlers.items[x->handler].signo);

	return model_stringf(m, form, handler, analysis_processes_text(m, f),
			     analysis_call_text(m, x));
}

/* The last delivery came somewhere else, and the thread waits since, or waits again. */
static bool may_be_unseen(const struct model *m, const struct model_interruption *x)
{
	uint64_t last_ns = m->handlers.items[x->handler].last_ns;

	return analysis_is_there_now(m, x) && last_ns > x->ended_ns && last_ns > x->last_ns &&
	       m->now_ns > last_ns + SHORT_NS;
}

static const char *evidence_of_now(struct model *m, const struct model_interruption *x)
{
	uint64_t last_ns = m->handlers.items[x->handler].last_ns;

	if (is_proven(m, x) && x->last_ns > x->ended_ns && analysis_is_there_now(m, x))
		return model_stringf(m, "; %s after the last one the thread sits in it%s",
				     analysis_duration_text(m, m->now_ns - x->last_ns),
				     analysis_has_waited_since(m, x) ? ", its first sleep since"
								     : "");
	if (is_proven(m, x) && x->waited_ns)
		return model_stringf(
			m, "; another signal found it there %s after one, in its first sleep since",
			analysis_duration_text(m, x->waited_ns));
	if (may_be_unseen(m, x))
		return model_stringf(
			m,
			"; the last one came elsewhere %s ago, and the thread sits in the "
			"call: whether it looked at the flag in between is not known",
			analysis_duration_text(m, m->now_ns - last_ns));
	return "";
}

static const char *times_text(struct model *m, uint64_t count)
{
	return count == 1 ? "once" : model_stringf(m, "%llu times", (unsigned long long)count);
}

static const char *limit_text(struct model *m, uint64_t limit_ns)
{
	if (limit_ns == MODEL_NO_LIMIT)
		return "the call has no time limit";
	return model_stringf(m, "the call ends by itself after %s",
			     analysis_duration_text(m, limit_ns));
}

static const char *evidence(struct model *m, const struct model_interruption *x)
{
	bool is = is_proven(m, x);
	const char *text = model_stringf(
		m,
		is ? "recorded: it came %s when the program stood on the call's instruction"
		   : "by construction: it ended the call with EINTR %s, so the signal was not "
		     "blocked before it",
		times_text(m, is ? x->count - x->acted : x->ended - x->ended_acted));

	text = model_stringf(m, "%s; it never called anything that could wake the program; %s%s",
			     text, limit_text(m, x->limit_ns), evidence_of_now(m, x));
	if (m->processes.items[x->process].has_children_threads)
		text = model_stringf(m, "%s; whether another thread looks at its flag is not known",
				     text);
	return text;
}

/* What was proven is counted alone. */
static void add_item(struct model_finding *f, const struct model_interruption *x,
		     bool is_proven_one)
{
	uint64_t last_ns = is_proven_one ? x->last_ns : x->ended_ns;

	f->count += is_proven_one ? x->count - x->acted : x->ended - x->ended_acted;
	if (!f->first_ns || x->first_ns < f->first_ns)
		f->first_ns = x->first_ns;
	if (last_ns > f->last_ns)
		f->last_ns = last_ns;
	analysis_add_process(f, x->process);
}

static void report(struct model *m, const uint32_t *items, uint32_t count)
{
	const struct model_interruption first = *find_first(m, items, count);
	struct model_finding *f = analysis_add(m, FINDING_FLAG_RACE);

	if (!f)
		return;
	f->severity = severity_of(m, &first);
	analysis_add_process(f, first.process);
	for (uint32_t i = 0; i < count; i++)
		if (is_proven(m, &m->interruptions.items[items[i]]) == is_proven(m, &first))
			add_item(f, &m->interruptions.items[items[i]], is_proven(m, &first));
	analysis_set_handler(m, f, first.handler, m->handlers.items[first.handler].signo);
	analysis_add_stack(f, first.stack, "this call waits");
	analysis_add_stack(f, m->handlers.items[first.handler].stack,
			   "the handler was installed here");
	f->headline = headline(m, f, &first);
	f->evidence = evidence(m, &first);
}

void detect_flag_races(struct model *m)
{
	uint32_t count = 0, *items = calloc(m->interruptions.count + (size_t)1, sizeof(*items));

	if (!items) {
		m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < m->interruptions.count; i++)
		if (is_race(m, &m->interruptions.items[i]))
			items[count++] = i;
	analysis_group(m, items, count, compare_keys, report);
	free(items);
}
