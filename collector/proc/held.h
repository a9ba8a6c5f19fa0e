/*
 * Which locks are held through the descriptors of a process: the "lock:" lines of
 * /proc/PID/fdinfo/FD, which are exact where /proc/locks is not. May be used by any thread.
 */
#ifndef LOCKJAM_HELD_H
#define LOCKJAM_HELD_H

#include "collector/proc/kernel_locks.h"
#include "collector/proc/proc.h"

/* One lock held through a descriptor; true ends the walk. */
typedef bool held_fn(pid_t pid, int fd, const struct kernel_lock *held, void *data);

/* All descriptors. 0, or negative errno when they may not be seen. */
int held_by_process(const struct proc *proc, pid_t pid, held_fn *use, void *data);

/* Only this descriptor. Whether `use` ended it. */
bool held_by_fd(const struct proc *proc, pid_t pid, int fd, held_fn *use, void *data);

/* Only the few that most programs lock, without a listing. Whether `use` ended it. */
bool held_by_first(const struct proc *proc, pid_t pid, held_fn *use, void *data);

/* Whether a descriptor is open on an inode of this number (Linux 5.14). */
bool held_is_open_on(const struct proc *proc, pid_t pid, int fd, uint64_t ino);

#endif
