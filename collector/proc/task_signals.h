/*
 * The signals of a thread, as /proc/PID/task/TID/status has them (proc_pid_status(5)). Masks: bit
 * n - 1 for signal n.
 */
#ifndef LOCKJAM_TASK_SIGNALS_H
#define LOCKJAM_TASK_SIGNALS_H

#include "collector/proc/proc.h"

struct task_signals {
	uint64_t pending; /* for this thread */
	uint64_t blocked;
	/* Of the process: */
	uint64_t shared_pending; /* any thread that does not block them may take them */
	uint64_t ignored, caught;
	uint64_t queued, queue_limit; /* of its user, RLIMIT_SIGPENDING */
	/* Of the thread, at the same moment: */
	char state;        /* as in stat: 'S', 'R', 'T', ... */
	uint64_t sleeps;   /* how often it left a processor of its own accord */
	uint64_t switches; /* or not */
};

/* 0 or a negative errno; -EINVAL when a line is missing. */
int proc_read_signals(const struct proc *p, pid_t pid, pid_t tid, struct task_signals *signals);

#endif
