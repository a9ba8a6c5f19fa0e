/*
 * Scenario: a process holds a lock of an open file description; its children have taken the lock before, one after the other.
 * Expect: one holder of WRITE, no waiter, no finding.
 * Twin: wait-ofd.c.
 */
#include "victim.h"

static int take(int fd)
{
	return victim_fcntl(fd, F_OFD_SETLKW, F_WRLCK, 0, 0);
}

#include "alone.h"
