/*
 * POSIX locks that the process has not, though it may think so: what a close of another descriptor took away
 * (and when the program ended to believe in it), what fork() did not pass on, and unlocks of what was not held.
 *
 * A close of the descriptor through which the lock was taken is an unlock, and meant. So what counts is a close of
 * another one while that one stays open. Whether somebody else had the lock when it was given back at last is
 * asked of the kernel (F_GETLK): nobody can tell later. Inside a bracket; async-signal-safe.
 */
#ifndef LOCKJAM_LOST_H
#define LOCKJAM_LOST_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/lockset.h"

/* Is there a lost lock whose loss the program has not come to know? One load. */
bool lost_is_open(void);

/* `lock` is dropped by a close (LOCKSET_DROP_POSIX). Under the set's try-lock. */
void lost_by_close(const struct seg_lock *lock, const struct lockset_change *change);

/* The program unlocks: true if that was of a lost lock. */
bool lost_unlocked(uint32_t resource, int fd, struct range range);
/* It unlocks what is not held: after a fork, or at all. */
void lost_never_held(int fd, struct range range);
/* It closes fd. */
void lost_closed(int fd);
/* It has taken it again. */
void lost_relocked(uint32_t resource, struct range range);

/* In the parent, before fork(): the locks that the child will not have. */
void lost_before_fork(void);

#endif
