/*
 * Scenario: two processes take two flocks in opposite order, and each waits for the other.
 * The kernel does not look for cycles of flock(2): they wait for ever.
 * Expect: two holders, two waiters, each of them holder and waiter.
 * Twin: abba-flock-ordered.c.
 */
#include "victim.h"

static const char *names[2] = { "first", "second" };
static int step[2];

static void other_way(void)
{
	int second = victim_open(names[1]), first = victim_open(names[0]);

	victim_must(flock(second, LOCK_EX), "flock");
	victim_must((int)write(step[1], "", 1), "write");
	victim_must(flock(first, LOCK_EX), "flock");
}

static void one_way(void)
{
	int first = victim_open(names[0]), second = victim_open(names[1]);
	char byte;

	victim_must(flock(first, LOCK_EX), "flock");
	victim_must((int)read(step[0], &byte, 1), "read");
	victim_must(flock(second, LOCK_EX), "flock");
}

int main(void)
{
	victim_watchdog();
	victim_must(pipe(step), "pipe");
	pid_t one = victim_fork(one_way), other = victim_fork(other_way);
	victim_await_blocked(one, SYS_flock);
	victim_await_blocked(other, SYS_flock);
	victim_say_pid("one", one);
	victim_say_pid("other", other);
	victim_ready();
	return 0;
}
