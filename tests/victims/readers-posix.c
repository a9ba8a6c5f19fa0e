/*
 * Scenario: three processes share READ locks of one file; nobody asks for more.
 * Expect: three holders of READ, no waiter, no finding.
 */
#include "victim.h"

static const char *path;
static int ready_pipe[2];

static void share(void)
{
	int fd = victim_open(path);

	victim_must(victim_fcntl(fd, F_SETLKW, F_RDLCK, 0, 0), "F_SETLKW");
	victim_must((int)write(ready_pipe[1], "", 1), "write");
	pause();
}

int main(int argc, char **argv)
{
	char byte;

	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	victim_must(pipe(ready_pipe), "pipe");
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_RDLCK, 0, 0), "F_SETLK");
	for (int i = 0; i < 2; i++) {
		victim_say_pid("reader", victim_fork(share));
		victim_must((int)read(ready_pipe[0], &byte, 1), "read");
	}
	victim_ready();
	return 0;
}
