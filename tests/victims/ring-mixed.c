/*
 * Scenario: three processes in a ring of three kinds: one has a POSIX lock and waits in flock(),
 * the next has that flock and waits for an OFD lock, the third has that and waits for the first
 * one's POSIX lock. Nobody in the kernel looks for such a cycle: they wait for ever. Expect: three
 * holders, three waiters, one deadlock of the three. Twin: abba-flock-ordered.c.
 */
#include "victim.h"

#define MEMBERS 3

static const char *names[MEMBERS] = {"posix", "flock", "ofd"};
static int ready[MEMBERS][2]; /* pipes: [i] says that member i has its first lock */

static void take(int number)
{
	int fd = victim_open(names[number]);

	if (number == 1)
		victim_must(flock(fd, LOCK_EX), "flock");
	else
		victim_must(victim_fcntl(fd, number ? F_OFD_SETLKW : F_SETLKW, F_WRLCK, 0, 0),
			    names[number]);
}

static void take_both(int mine)
{
	int next = (mine + 1) % MEMBERS;
	char byte;

	take(mine);
	victim_must((int)write(ready[mine][1], "", 1), "write");
	victim_must((int)read(ready[next][0], &byte, 1), "read");
	take(next);
}

static void first(void)
{
	take_both(0);
}

static void second(void)
{
	take_both(1);
}

static void third(void)
{
	take_both(2);
}

int main(void)
{
	victim_watchdog();
	for (int i = 0; i < MEMBERS; i++)
		victim_must(pipe(ready[i]), "pipe");
	pid_t one = victim_fork(first), two = victim_fork(second), three = victim_fork(third);
	victim_await_blocked(one, SYS_flock);
	victim_await_blocked(two, SYS_fcntl);
	victim_await_blocked(three, SYS_fcntl);
	victim_say_pid("one", one);
	victim_say_pid("two", two);
	victim_say_pid("three", three);
	victim_ready();
	return 0;
}
