/*
 * What the detectors of signals that are not noticed share: the calls that handlers came into.
 */
#include "config.h"

#include <signal.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/arch/blocking_call.h"
#include "collector/arch/syscall_name.h"

const struct blocking_call *analysis_blocking_call(const struct model_interruption *x)
{
	const uint64_t args[6] = {x->args[0], x->args[1]};

	return blocking_call_find(x->syscall, args);
}

bool analysis_is_request(int signo)
{
	switch (signo) {
	case SIGHUP:
	case SIGINT:
	case SIGQUIT:
	case SIGTERM:
	case SIGUSR1:
	case SIGUSR2:
	case SIGALRM:
		return true;
	default:
		return signo >= SIGRTMIN;
	}
}

const char *analysis_call_text(struct model *m, const struct model_interruption *x)
{
	const char *name = syscall_name(x->syscall);

	return syscall_has_descriptor(x->syscall) && (int)x->args[0] >= 0
		       ? model_stringf(m, "%s() on descriptor %d", name, (int)x->args[0])
		       : model_stringf(m, "%s()", name);
}

bool analysis_is_there_now(const struct model *m, const struct model_interruption *x)
{
	if (x->thread == MODEL_NONE || m->processes.items[x->process].state != PROCESS_LIVE)
		return false;
	const struct model_thread *t = &m->threads.items[x->thread];

	return t->syscall == x->syscall && t->syscall_args[0] == x->args[0] &&
	       m->now_ns > x->last_ns;
}

bool analysis_has_waited_since(const struct model *m, const struct model_interruption *x)
{
	return analysis_is_there_now(m, x) && x->sleeps + 1 == m->threads.items[x->thread].sleeps;
}
