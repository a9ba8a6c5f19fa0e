/*
 * Whose are the lines of /proc/locks that no record explains, and which files are they about? Found
 * in /proc/PID/fdinfo (the "lock:" lines of a descriptor are exact), /proc/PID/syscall and
 * /proc/PID/fd; only of processes that matter, and each at most once.
 */
#ifndef LOCKJAM_OWNERS_H
#define LOCKJAM_OWNERS_H

#include "collector/kernel_locks.h"
#include "collector/source.h"

/*
 * Fills kernel_lock.process, .fd and .is_deduced of the lines without a record, and the paths of
 * their resources. Lines whose process is gone meanwhile are marked is_outdated.
 */
void owners_find(struct gather *g, struct kernel_locks *k);

/*
 * Waits that were recorded but are not in /proc/locks (some file systems keep their own queue):
 * where the thread still sits in that very call they become EVIDENCE_INFERRED.
 */
void owners_confirm_waits(struct gather *g);

#endif
