/*
 * A look at a thread of a live process. A blocked one is not stopped: where it stands by
 * /proc/PID/task/TID/syscall, and a copy of its stack. A ptrace stop would make a waiter lose its
 * place in the lock's queue. A running one is stopped for the copy, if that is allowed.
 */
#ifndef LOCKJAM_STACK_LIVE_H
#define LOCKJAM_STACK_LIVE_H

#include "collector/proc/proc.h"
#include "collector/unwind/unwind.h"

struct stack_live;

struct stack_subject {
	const struct proc *proc;
	pid_t pid, tid;
	bool may_stop;
};

/*
 * 0, or a negative errno and *reason, a static text: the thread runs (-EAGAIN, after one more
 * try), is gone, or may not be looked at. The copy is of one moment: the thread did not run
 * between its begin and its end.
 */
int stack_live_look(const struct stack_subject *subject, struct stack_live **live,
		    const char **reason);
void stack_live_free(struct stack_live *live);

/* What to unwind from; `live` must outlive it. Reads beyond the copy go to the process. */
void stack_live_start(struct stack_live *live, struct unwind_start *start);
/* No memory but the copy was used for the frames, or the thread still has not run. */
bool stack_live_has_stayed(const struct stack_live *live);
/* The same of what arguments point to. */
bool stack_live_has_kept_data(const struct stack_live *live);

/*
 * Of a running thread whose stack turned out to be deeper than what is copied at first: stops and
 * copies it once more, for longer. True if the copy is a new one: to be unwound again.
 */
bool stack_live_look_deeper(struct stack_live *live);

struct stack_live_moment {
	struct proc_syscall syscall; /* is_running: it was stopped */
	uint64_t stood_ns;           /* how long it was kept from running for the copy */
	bool has_asked_again; /* it was stopped just when it had asked for a file lock, and let go
			       */
	long ended;           /* the system call that the stop ended with EINTR, -1 none */
};
/* Of a thread that was copied. */
void stack_live_moment(const struct stack_live *live, struct stack_live_moment *moment);

#endif
