/*
 * Scenario: a process holds a POSIX lock of a whole file; two children ask for the same and wait for it.
 * Expect: one holder of WRITE, two waiters for WRITE behind it, no finding.
 * Twin: alone-posix.c.
 */
#include "victim.h"

#define TAKE_SYSCALL SYS_fcntl

static int take(int fd)
{
	return victim_fcntl(fd, F_SETLKW, F_WRLCK, 0, 0);
}

#include "wait.h"
