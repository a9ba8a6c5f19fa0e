/*
 * glibc's locks of threads as they stand in a process's memory: who has it, how it is made. The one
 * place that knows how libc lays them out.
 *
 * What is read is the process's own, and may be anything: a number of a thread is a claim.
 */
#ifndef LOCKJAM_THREAD_LOCK_H
#define LOCKJAM_THREAD_LOCK_H

#include "collector/model/model.h"
#include "collector/proc/proc.h"

#define THREAD_LOCK_BYTES 56 /* of the largest: a futex of a lock lies inside of it */

struct thread_lock {
	bool is_taken;
	pid_t owner; /* the thread, in its own namespace; 0: not told (readers, spin locks) */
	uint32_t readers;
	bool is_shared; /* made for several processes; may lie in private memory all the same */
	bool has_dead_owner; /* robust: the kernel says that its owner ended */
};

/* LOCK_MUTEX, LOCK_RWLOCK or LOCK_SPIN. 0, or negative errno: its memory cannot be read. */
int thread_lock_read(const struct proc *proc, pid_t pid, enum lock_kind kind, uint64_t address,
		     struct thread_lock *lock);

/* The same of `data`, THREAD_LOCK_BYTES of memory. */
void thread_lock_parse(enum lock_kind kind, const void *data, struct thread_lock *lock);

/*
 * What a lock between processes is called by all of them: the mapped file of its page and the place
 * in it. 0, or negative errno: there is no such mapping, or it is private.
 */
struct thread_lock_place {
	uint64_t dev, ino, offset;
	char path[256]; /* as maps has it; cut if it is longer */
};
int thread_lock_place(const struct proc *proc, pid_t pid, uint64_t address,
		      struct thread_lock_place *place);

#endif
