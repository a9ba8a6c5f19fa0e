/*
 * Whose are the lines of /proc/locks that no record explains, and which files are they about? Found
 * in /proc/PID/fdinfo (the "lock:" lines of a descriptor are exact), /proc/PID/syscall and
 * /proc/PID/fd; only of processes that matter, and each at most once.
 */
#ifndef LOCKJAM_OWNERS_H
#define LOCKJAM_OWNERS_H

#include "collector/proc/kernel_locks.h"
#include "collector/source/source.h"

/*
 * Fills what is marked "owners" in kernel_lock, of the lines without a record, and the paths of
 * their resources. Lines whose process is gone meanwhile are marked is_outdated. May add lines at
 * the end: other processes that share an open file description (copy_of), and waiters that
 * /proc/locks does not show.
 */
void owners_find(struct gather *g, struct kernel_locks *k);

/*
 * The same, but only for holds through open file descriptions whose taker has ended or is not named
 * (flock(1) in a shell takes the lock and ends), and only among the recorded processes: what a
 * saved session needs.
 */
void owners_find_among_recorded(struct gather *g, struct kernel_locks *k);

/*
 * Recorded holds and waits that /proc/locks did not show (EVIDENCE_STALE): it skips lines when
 * others go while it is read, and some file systems keep queues of their own. What the process's
 * descriptor or its thread's system call shows becomes EVIDENCE_OBSERVED again.
 */
void owners_confirm(struct gather *g);

/* Gives the requests for which no thread is known theirs, among the threads from `first` on that
 * were read. */
void owners_name_waiters(struct gather *g, uint32_t first);

#endif
