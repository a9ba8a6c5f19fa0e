/*
 * Scenario: two processes take two flocks in opposite order, and each waits for the other.
 * The kernel does not look for cycles of flock(2): they wait for ever.
 * Expect: two holders, two waiters, each of them holder and waiter.
 * Twin: abba-flock-ordered.c.
 */
#include "victim.h"

static const char *names[2] = { "first", "second" };
static int ready[2][2]; /* pipes: [i] says that process i has its first lock */

static void take_both(int mine)
{
	int first = victim_open(names[mine]), second = victim_open(names[!mine]);
	char byte;

	victim_must(flock(first, LOCK_EX), "flock");
	victim_must((int)write(ready[mine][1], "", 1), "write");
	victim_must((int)read(ready[!mine][0], &byte, 1), "read");
	victim_must(flock(second, LOCK_EX), "flock");
}

static void one_way(void)
{
	take_both(0);
}

static void other_way(void)
{
	take_both(1);
}

int main(void)
{
	victim_watchdog();
	victim_must(pipe(ready[0]) | pipe(ready[1]), "pipe");
	pid_t one = victim_fork(one_way), other = victim_fork(other_way);
	victim_await_blocked(one, SYS_flock);
	victim_await_blocked(other, SYS_flock);
	victim_say_pid("one", one);
	victim_say_pid("other", other);
	victim_ready();
	return 0;
}
