/*
 * flag-race, inferred: a handler that asks a program to end came into its own code, not into a
 * call, and did no more than to set a flag. Then the thread slept once, and it still does: in a
 * call without a time limit that does not let in the signal only. Whether it looked at the flag in
 * between nobody knows, so it is a note; who has seen that it should end does not wait for ever,
 * mostly. Requests that a program goes on after (SIGHUP) are not judged, nor processes where
 * another thread may have looked.
 */
#include "config.h"

#include <signal.h>
#include <sys/syscall.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/arch/syscall_name.h"

#define LONG_NS UINT64_C(1000000000)

static bool is_end(int signo)
{
	return signo == SIGTERM || signo == SIGINT || signo == SIGQUIT;
}

/* By its arguments: no limit, and no mask of its own. */
static bool waits_for_good(const struct model_thread *t)
{
	const uint64_t *args = t->syscall_args;

	switch (t->syscall) {
#ifdef SYS_poll
	case SYS_poll:
		return (int)args[2] < 0;
	case SYS_select:
		return !args[4];
	case SYS_epoll_wait:
		return (int)args[3] < 0;
	case SYS_pause:
		return true;
#endif
	case SYS_ppoll:
		return !args[2] && !args[3];
	case SYS_pselect6:
		return !args[4] && !args[5];
	case SYS_epoll_pwait:
		return (int)args[3] < 0 && !args[4];
	case SYS_accept:
	case SYS_accept4:
	case SYS_read:
	case SYS_recvfrom:
	case SYS_recvmsg:
		return true;
	default:
		return false;
	}
}

/* It came into calls as well: another finding tells of it. */
static bool is_judged(const struct model *m, uint32_t handler)
{
	for (uint32_t i = 0; i < m->interruptions.count; i++)
		if (m->interruptions.items[i].handler == handler)
			return true;
	return false;
}

/* The thread that may not have seen the flag; MODEL_NONE. */
static uint32_t find_thread(const struct model *m, uint32_t handler)
{
	const struct model_handler *h = &m->handlers.items[handler];
	const struct model_process *p = &m->processes.items[h->process];
	uint32_t thread;

	if (!h->returned_tid || h->acted || !is_end(h->signo) || h->returned_ns < h->last_ns ||
	    m->now_ns < h->returned_ns + LONG_NS || p->state != PROCESS_LIVE ||
	    p->has_children_threads || is_judged(m, handler))
		return MODEL_NONE;
	thread = model_find_thread(m, h->process, h->returned_tid);
	if (thread == MODEL_NONE)
		return MODEL_NONE;
	const struct model_thread *t = &m->threads.items[thread];

	return t->sleeps == h->returned_sleeps + 1 && waits_for_good(t) &&
			       !(t->sleep_mask & UINT64_C(1) << (h->signo - 1))
		       ? thread
		       : MODEL_NONE;
}

static void report(struct model *m, uint32_t handler, uint32_t thread)
{
	const struct model_handler h = m->handlers.items[handler];
	const char *call = syscall_name(m->threads.items[thread].syscall);
	struct model_finding *f = analysis_add(m, FINDING_FLAG_RACE);

	if (!f || !call)
		return;
	f->severity = SEVERITY_NOTE;
	f->count = 1;
	f->first_ns = f->last_ns = h.returned_ns;
	analysis_add_process(f, h.process);
	analysis_set_handler(m, f, handler, h.signo);
	analysis_add_stack(f, h.stack, "the handler was installed here");
	f->headline = model_stringf(m, "%s ran %s ago, and %s waits in %s() since",
				    analysis_handler_text(m, handler, h.signo),
				    analysis_duration_text(m, m->now_ns - h.returned_ns),
				    analysis_processes_text(m, f), call);
	f->evidence = model_stringf(
		m,
		"inferred: it came elsewhere and called nothing that could wake the program, whose "
		"first sleep since is in %s(), without a time limit; whether it looked at the flag "
		"in between is not known",
		call);
}

void detect_unseen(struct model *m)
{
	for (uint32_t i = 0; i < m->handlers.count; i++) {
		uint32_t thread = find_thread(m, i);

		if (thread != MODEL_NONE)
			report(m, i, thread);
	}
}
