/*
 * Which locks are held through the descriptors of a process: the "lock:" lines of
 * /proc/PID/fdinfo/FD, which are exact where /proc/locks is not (fs/locks.c, __show_fd_locks: they
 * belong to this very open file description, and of POSIX locks to this process). May be used by
 * any thread.
 */
#ifndef LOCKJAM_HELD_H
#define LOCKJAM_HELD_H

#include <stdatomic.h>

#include "collector/model/index.h"
#include "collector/proc/kernel_locks.h"
#include "collector/proc/proc.h"

/* A descriptor that was looked at. */
struct held_at {
	pid_t pid;
	pid_t task; /* below whose entry of /proc it stands: pid, but for processes whose main
		     * thread has ended before the others */
	int fd;
	int flags;        /* of open(2) */
	int mnt_id;       /* of the file's mount; -1 unknown */
	const char *link; /* its path as we see it; NULL: not read. Only while `use` runs */
};

/* One lock held through a descriptor; true ends the walk. */
typedef bool held_fn(const struct held_at *at, const struct kernel_lock *held, void *data);

/*
 * All descriptors; with `inos` only those that may be of one of these inodes, which saves reading
 * those of sockets and pipes. 0, or negative errno when they may not be seen.
 */
int held_by_process(const struct proc *proc, pid_t pid, const struct index *inos, held_fn *use,
		    void *data);

/* Only this descriptor. Whether `use` ended it. */
bool held_by_fd(const struct proc *proc, pid_t pid, int fd, held_fn *use, void *data);

/*
 * Only the few that most programs lock, without a listing; first the one of `hint`, which is where
 * it was found the last time (several threads may share it). Whether `use` ended it.
 */
bool held_by_first(const struct proc *proc, pid_t pid, _Atomic int *hint, held_fn *use, void *data);

/* Whether a descriptor is open on an inode of this number (Linux 5.14); *mnt_id of its mount, if
 * it is not NULL. */
bool held_is_open_on(const struct proc *proc, pid_t task, int fd, uint64_t ino, int *mnt_id);

/* The path behind it, as we see it. 0 or negative errno. */
int held_path(const struct proc *proc, const struct held_at *at, char *path, size_t size);

#endif
