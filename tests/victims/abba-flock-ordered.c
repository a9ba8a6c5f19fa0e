/*
 * Scenario: two processes take two flocks in the same order; one has both, the other waits for
 * the first of them.
 * Expect: one process holds both, one waits, no cycle, no finding.
 * Twin: abba-flock.c.
 */
#include "victim.h"

static const char *names[2] = { "first", "second" };

static void same_way(void)
{
	int first = victim_open(names[0]), second = victim_open(names[1]);

	victim_must(flock(first, LOCK_EX), "flock");
	victim_must(flock(second, LOCK_EX), "flock");
}

int main(void)
{
	victim_watchdog();
	int first = victim_open(names[0]), second = victim_open(names[1]);
	victim_must(flock(first, LOCK_EX), "flock");
	victim_must(flock(second, LOCK_EX), "flock");
	pid_t waiter = victim_fork(same_way);
	victim_await_blocked(waiter, SYS_flock);
	victim_say_pid("waiter", waiter);
	victim_ready();
	return 0;
}
