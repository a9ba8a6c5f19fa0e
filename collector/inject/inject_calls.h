/*
 * Which system calls a thread may be taken out of for a moment, so that it does not notice: the
 * kernel, or we, repeat them exactly. A request for a lock is none of them: its place in the queue
 * would be lost.
 */
#ifndef LOCKJAM_INJECT_CALLS_H
#define LOCKJAM_INJECT_CALLS_H

#include "collector/proc/proc.h"

enum inject_call {
	INJECT_CALL_NEVER,   /* it would lose its place, a part of its result, or its time limit */
	INJECT_CALL_KERNEL,  /* the kernel repeats it, with what is left of its time */
	INJECT_CALL_ENDLESS, /* ends with EINTR; repeated as it is */
	INJECT_CALL_TIMED,   /* ends with EINTR; repeated with what is left of its time */
};

/* Of a thread that waits in a system call. *reason is set for INJECT_CALL_NEVER, a static text. */
enum inject_call inject_call_judge(pid_t pid, const struct proc_syscall *call, const char **reason);

/* In which form a call has a time limit that counts from its beginning. */
enum inject_limit_form {
	INJECT_LIMIT_NONE,    /* none, or the kernel keeps it */
	INJECT_LIMIT_MS,      /* the argument; after EINTR nobody has counted it down */
	INJECT_LIMIT_TIMEVAL, /* it points to it; the kernel has written there what is left */
	INJECT_LIMIT_TIMESPEC,
};
enum inject_limit_form inject_call_limit(long number, unsigned *argument);

#endif
