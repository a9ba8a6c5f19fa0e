/*
 * Scenario: a process holds a lock by flock(2); its children have taken the lock before, one after the other.
 * Expect: one holder of WRITE, no waiter, no finding.
 * Twin: wait-flock.c.
 */
#include "victim.h"

static int take(int fd)
{
	return flock(fd, LOCK_EX);
}

#include "alone.h"
