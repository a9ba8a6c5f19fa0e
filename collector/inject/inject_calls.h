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

/* INJECT_CALL_TIMED: which argument is the time limit in milliseconds. */
unsigned inject_call_limit(long number);

/*
 * How long a thread has been asleep, by the scheduler's clock of the processor on which it went to
 * sleep. False where the kernel does not tell (/proc/PID/sched), or we may not run there.
 */
bool inject_call_asleep_ns(const struct proc *proc, pid_t pid, pid_t tid, uint64_t *ns);

#endif
