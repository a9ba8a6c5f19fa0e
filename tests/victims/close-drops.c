/*
 * Scenario: a process locks a file through one descriptor, then opens and closes the same file
 * through another one: POSIX drops the lock at that close.
 * Expect: no holder of the file although the first descriptor is still open.
 * Twin: close-keeps.c.
 */
#include "victim.h"

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "lock";

	victim_watchdog();
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0), "F_SETLK");
	close(victim_open(path));
	victim_ready();
	return 0;
}
