/*
 * Scenario: a process holds a POSIX lock of a whole file; its children have taken the lock before, one after the other.
 * Expect: one holder of WRITE, no waiter, no finding.
 * Twin: wait-posix.c.
 */
#include "victim.h"

static int take(int fd)
{
	return victim_fcntl(fd, F_SETLKW, F_WRLCK, 0, 0);
}

#include "alone.h"
