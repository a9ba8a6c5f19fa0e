/*
 * Scenario: a process locks a file; descriptors of other files are opened and closed, and the
 * lock's own file is opened once more but stays open. A lock by flock(2) survives the close of
 * another descriptor of the same file.
 * Expect: one POSIX hold of the file, one flock hold of FILE.flock, no finding.
 * Twin: close-drops.c.
 */
#include "victim.h"

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "lock";
	char other[4096];

	victim_watchdog();
	int fd = victim_open(path);
	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0), "F_SETLK");
	snprintf(other, sizeof(other), "%s.flock", path);
	int flocked = victim_open(other);
	victim_must(flock(flocked, LOCK_EX), "flock");
	close(victim_open(other));
	close(victim_open("/dev/null"));
	victim_open(path);
	victim_ready();
	return 0;
}
