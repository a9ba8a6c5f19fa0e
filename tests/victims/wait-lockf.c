/*
 * Scenario: a process holds a lock by lockf(3); two children ask for the same and wait for it.
 * Expect: one holder of WRITE, two waiters for WRITE behind it, no finding.
 * Twin: alone-lockf.c.
 */
#include "victim.h"

#define TAKE_SYSCALL SYS_fcntl

static int take(int fd)
{
	return lockf(fd, F_LOCK, 0);
}

#include "wait.h"
