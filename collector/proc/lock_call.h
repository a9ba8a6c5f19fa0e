/*
 * What a thread asks for that is blocked in a request for a lock, by /proc/PID/syscall and, for the
 * range, its memory. Reads only. May be used by any thread.
 */
#ifndef LOCKJAM_LOCK_CALL_H
#define LOCKJAM_LOCK_CALL_H

#include "collector/model/model.h"
#include "collector/proc/proc.h"

struct lock_call {
	enum lock_kind kind;
	int fd;
	uint64_t request; /* of fcntl: the address of its struct flock */
	bool is_compat;   /* of a 32-bit program */
	bool is_wide;     /* is_compat: a struct flock64 */
	bool has_range;   /* else the two below and, but for flock(), the mode are not known */
	enum lock_mode mode;
	uint64_t start, end; /* as in model_lock */
};

/* Whether the thread is blocked in a request for a file lock; fills all but the range. */
bool lock_call_decode(const struct proc_syscall *sc, struct lock_call *call);

/* Reads mode and range from the program's memory, if that can be. */
void lock_call_read_range(const struct proc *proc, pid_t pid, struct lock_call *call);

#endif
