/*
 * Scenario: a process and its child hold READ locks; the child asks for WRITE and waits.
 * Expect: two holders of READ, the child also waits for WRITE; its READ lock is still held.
 * Twin: readers-posix.c.
 */
#include "victim.h"

static const char *path;

static void upgrade(void)
{
	int fd = victim_open(path);

	victim_must(victim_fcntl(fd, F_SETLKW, F_RDLCK, 0, 0), "F_RDLCK");
	victim_must(victim_fcntl(fd, F_SETLKW, F_WRLCK, 0, 0), "F_WRLCK");
}

int main(int argc, char **argv)
{
	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_RDLCK, 0, 0), "F_RDLCK");
	pid_t child = victim_fork(upgrade);
	victim_await_blocked(child, SYS_fcntl);
	victim_say_pid("waiter", child);
	victim_ready();
	close(fd);
	waitpid(child, NULL, 0);
	return 0;
}
