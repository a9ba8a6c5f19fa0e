/*
 * The processes that are recorded by sampling: each has a segment, and a descriptor that tells its
 * end. A process that executes another program goes on in another segment, as under the shim.
 */
#ifndef LOCKJAM_SAMPLE_PROCESS_H
#define LOCKJAM_SAMPLE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/model/index.h"
#include "collector/proc/proc.h"
#include "collector/sample/sample_segment.h"

/* Signals that are pending, and were so at every look since. */
struct sample_held {
	uint64_t signals, since_ns, switches;
	uint32_t looks;
	bool has_run;
};

struct sample_process {
	pid_t pid;
	uint64_t start_time;
	uint64_t stack_start; /* where its stack begins: elsewhere after execve(); 0 not to be seen
			       */
	int thread_count;     /* at the last look */
	int pidfd;            /* -1: the kernel has none, or descriptors ran out */
	bool is_target;
	uint64_t dying_since_ns; /* 0: it is not */
	struct sample_held held; /* sample_signals.c */
	struct sample_segment *segment;
	bool *is_seen; /* by index of SEG_LOCKS - 1: in the look that goes on */
};

struct sample_processes {
	const struct proc *proc;
	int dir;   /* of the session */
	int epoll; /* readable when one has ended */
	uint64_t interval_ns;
	struct sample_process **items;
	uint32_t count, room;
	uint64_t seen_ns;           /* the last look that is over */
	uint64_t descriptions_base; /* open file descriptions are numbered from here */
	uint32_t description_count;
	uint32_t refused; /* that could not be recorded */
	struct index refused_pids;
	int refused_error; /* of the last of them */
	pid_t refused_pid;
	uint32_t unowned;     /* seg_header.sample_unowned */
	bool has_lost_target; /* a target has ended since this was cleared */
};

int sample_processes_init(struct sample_processes *ps, const struct proc *proc, const char *dir);
void sample_processes_done(struct sample_processes *ps);

/* Whoever has the pid, if it is recorded; NULL. */
struct sample_process *sample_process_find(const struct sample_processes *ps, pid_t pid);

/*
 * The record of whoever has the pid now: the one there is, a new one, or (after execve, or where
 * the pid belongs to another process by now) another one after the old one was ended. NULL: it is
 * gone, or its record could not be made (refused).
 */
struct sample_process *sample_process_get(struct sample_processes *ps, pid_t pid, uint64_t now_ns);

/* Ends the records of those who have ended. True if there were any. */
bool sample_processes_reap(struct sample_processes *ps, uint64_t now_ns);

/* On its way out: its locks go, but not because it gave them back. True for a bounded time only. */
bool sample_process_is_dying(const struct sample_processes *ps, struct sample_process *p,
			     uint64_t now_ns);

/* A process's event, of its main thread if tid is 0. */
void sample_process_tell(struct sample_process *p, enum seg_event_kind kind, uint64_t value,
			 uint64_t now_ns);

#endif
