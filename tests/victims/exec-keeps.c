/*
 * Scenario: a process takes a POSIX lock and a flock, then replaces itself by execve(2); the
 * descriptors are kept, so both locks are.
 * Expect: the new image holds both, taken over from the former one; one process, two images.
 * Twin: exec-closes.c.
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
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 10, 20), "F_SETLK");
	snprintf(other, sizeof(other), "%s.flock", path);
	fd = open(other, O_RDWR | O_CREAT, 0600);
	victim_must(flock(fd, LOCK_SH), "flock");
	execl("/proc/self/exe", argv[0], path, "again", (char *)NULL);
	err(99, "execl");
}
