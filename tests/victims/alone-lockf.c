/*
 * Scenario: a process holds a lock by lockf(3); its children have taken the lock before, one after the other.
 * Expect: one holder of WRITE, no waiter, no finding.
 * Twin: wait-lockf.c.
 */
#include "victim.h"

static int take(int fd)
{
	return lockf(fd, F_LOCK, 0);
}

#include "alone.h"
