/*
 * Scenario: a process holds a lock by flock(2); two children ask for the same and wait for it.
 * Expect: one holder of WRITE, two waiters for WRITE behind it, no finding.
 * Twin: alone-flock.c.
 */
#include "victim.h"

#define TAKE_SYSCALL SYS_flock

static int take(int fd)
{
	return flock(fd, LOCK_EX);
}

#include "wait.h"
