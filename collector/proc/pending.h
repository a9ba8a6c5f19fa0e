/*
 * Signals of a process that are pending and that nobody takes, as one look shows them: one that is
 * on its way looks the same, and one that a critical section keeps out for a moment. A thread in
 * sigwait() or ppoll() does not block what it waits for, as the kernel has it.
 */
#ifndef LOCKJAM_PENDING_H
#define LOCKJAM_PENDING_H

#include "collector/proc/proc.h"

struct pending {
	uint64_t held_back; /* for the process, blocked by all threads; or for one, which blocks it.
			     * Not what would be ignored */
	uint64_t switches;  /* of all threads: how often one left its processor */
	bool is_awake;      /* one of them is running */
};

/* held_back is 0 for a process that is stopped, traced, or gone. */
struct pending pending_look(const struct proc *proc, pid_t pid);

/*
 * Those that may be pending for long, and nobody forgot them: it takes them by signalfd(), or waits
 * for its children (SIGCHLD). False: its descriptors could not be seen.
 */
bool pending_expected(const struct proc *proc, pid_t pid, uint64_t *signals);

#endif
