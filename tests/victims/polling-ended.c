/*
 * Scenario: as polling.c, but the child was given the lock in the end and holds it; another child
 * was refused once, then closed the file and does something else.
 * Expect: one holder, the first child; nobody waits.
 * Twin: polling.c.
 */
#include "victim.h"

static const char *path;
static int done[2];

static void poll_for_it(void)
{
	int fd = victim_open(path);

	while (victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0))
		victim_pause();
	victim_must((int)write(done[1], "", 1), "write");
	pause();
}

static void ask_once(void)
{
	int fd = victim_open(path);

	if (victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0) == 0)
		errx(99, "was granted");
	close(fd);
	victim_must((int)write(done[1], "", 1), "write");
	pause();
}

int main(int argc, char **argv)
{
	char byte;

	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	victim_must(pipe(done), "pipe");
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0), "F_SETLK");
	victim_fork(ask_once);
	victim_must((int)read(done[0], &byte, 1), "read");
	victim_say_pid("holder", victim_fork(poll_for_it));
	victim_must(victim_fcntl(fd, F_SETLK, F_UNLCK, 0, 0), "F_UNLCK");
	victim_must((int)read(done[0], &byte, 1), "read");
	victim_ready();
	return 0;
}
