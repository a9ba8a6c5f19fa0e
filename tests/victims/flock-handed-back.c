/*
 * Scenario: as flock-inherited.c, but the child unlocks what it shares: an explicit unlock by any
 * owner of the open file description releases the lock of all.
 * Expect: no holder, although parent and child keep the descriptor open.
 * Twin: flock-inherited.c.
 */
#include "victim.h"

static int fd;
static int unlocked[2];

static void unlock(void)
{
	victim_must(flock(fd, LOCK_UN), "flock");
	victim_must((int)write(unlocked[1], "", 1), "write");
	pause();
}

int main(int argc, char **argv)
{
	char byte;

	victim_watchdog();
	fd = victim_open(argc > 1 ? argv[1] : "lock");
	victim_must(pipe(unlocked), "pipe");
	victim_must(flock(fd, LOCK_EX), "flock");
	victim_fork(unlock);
	victim_must((int)read(unlocked[0], &byte, 1), "read");
	victim_ready();
	return 0;
}
