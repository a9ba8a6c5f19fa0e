/*
 * Scenario: a process holds a POSIX lock of a whole file; its children have taken the lock before, one after the other.
 * Expect: one holder of WRITE, no waiter, no finding.
 * Twin: wait-posix.c.
 */
#include "victim.h"

static const char *path;

static int take(int fd)
{
	return victim_fcntl(fd, F_SETLKW, F_WRLCK, 0, 0);
}

static void take_and_leave(void)
{
	int fd = victim_open(path);

	victim_must(take(fd), "take");
	close(fd);
}

int main(int argc, char **argv)
{
	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	for (int i = 0; i < 2; i++)
		waitpid(victim_fork(take_and_leave), NULL, 0);
	int fd = victim_open(path);
	victim_must(take(fd), "take");
	victim_ready();
	close(fd);
	return 0;
}
