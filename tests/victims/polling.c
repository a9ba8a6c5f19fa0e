/*
 * Scenario: a process holds a POSIX lock; its child never blocks but asks again and again
 * (F_SETLK, as SQLite does), each time refused.
 * Expect: the child waits, polling, with the number of tries and since when.
 * Twin: polling-ended.c.
 */
#include "victim.h"

static const char *path;
static int tried[2];

static void poll_for_it(void)
{
	int fd = victim_open(path);

	for (unsigned tries = 1; victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0); tries++) {
		if (tries == 10)
			victim_must((int)write(tried[1], "", 1), "write");
		victim_pause();
	}
}

int main(int argc, char **argv)
{
	char byte;

	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	victim_must(pipe(tried), "pipe");
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0), "F_SETLK");
	pid_t child = victim_fork(poll_for_it);
	victim_must((int)read(tried[0], &byte, 1), "read");
	victim_say_pid("waiter", child);
	victim_ready();
	close(fd);
	waitpid(child, NULL, 0);
	return 0;
}
