/*
 * Scenario: a process holds a lock by flock(2); two children ask for the same and wait for it.
 * Expect: one holder of WRITE, two waiters for WRITE behind it, no finding.
 * Twin: alone-flock.c.
 */
#include "victim.h"

static const char *path;
static int held;

static int take(int fd)
{
	return flock(fd, LOCK_EX);
}

static void wait_for_it(void)
{
	close(held); /* else an open file description would be shared */
	victim_must(take(victim_open(path)), "take");
}

int main(int argc, char **argv)
{
	pid_t waiters[2];

	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	held = victim_open(path);
	victim_must(take(held), "take");
	for (int i = 0; i < 2; i++) {
		waiters[i] = victim_fork(wait_for_it);
		victim_await_blocked(waiters[i], SYS_flock);
		victim_say_pid("waiter", waiters[i]);
	}
	victim_ready();
	close(held);
	while (wait(NULL) > 0)
		;
	return 0;
}
