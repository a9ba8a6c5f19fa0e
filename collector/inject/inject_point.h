/*
 * The safe point: one thread, stopped at a place where it can be made to call dlopen(). It stands
 * in code of the program or in a system call that can be repeated exactly; on its stack, of which
 * every frame is known, is nothing that may hold a lock of the allocator, the loader or libc.
 *
 * No other thread stops, and one that waits for a lock never does.
 */
#ifndef LOCKJAM_INJECT_POINT_H
#define LOCKJAM_INJECT_POINT_H

#include "collector/inject/inject_calls.h"
#include "collector/inject/inject_limit.h"
#include "collector/inject/inject_target.h"
#include "collector/inject/inject_trace.h"

struct inject_point {
	struct trace trace;
	struct trace_state
		before; /* to be put back; a call that ended with EINTR is to be repeated */
	struct proc_syscall call;  /* that it was taken out of; number -1: none */
	struct inject_limit limit; /* of that */
	uint64_t tls;              /* the thread's */
};

/*
 * Waits for a thread at a safe point and stops it. 0; -EAGAIN when there was none up to
 * deadline_ns, or another negative errno; then *reason is a static text and nobody is stopped.
 */
int inject_point_find(struct inject_target *t, uint64_t deadline_ns, struct inject_point *point,
		      const char **reason);
/* Lets it go on, if nothing of it has been changed yet. */
void inject_point_leave(struct inject_point *point);
/* Whether these frames, innermost first, are those of a safe point. is_waiting: in a system call.
 */
bool inject_judge(const struct inject_target *t, const struct unwind_frames *frames,
		  bool is_waiting, const char **reason);

#endif
