/*
 * Scenario: as exec-keeps.c, but the descriptors are closed by execve(2), and the locks with them.
 * Expect: no holder.
 * Twin: exec-keeps.c.
 */
#include "victim.h"

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "lock";
	char other[4096];

	victim_watchdog();
	if (argc > 2) {
		victim_ready();
		return 0;
	}
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 10, 20), "F_SETLK");
	snprintf(other, sizeof(other), "%s.flock", path);
	fd = victim_open(other);
	victim_must(flock(fd, LOCK_SH), "flock");
	execl("/proc/self/exe", argv[0], path, "again", (char *)NULL);
	err(99, "execl");
}
