/*
 * Scenario: a ring of so many processes as the argument says (up to 64), each with the OFD lock of
 * its own file, each waiting for its neighbour's; the kernel looks for no such cycles.
 * Expect: one deadlock of all of them. Twins: abba-flock-ordered.c, ring-posix.c with an argument.
 */
#include "victim.h"

#define MEMBERS_MAX 64

static int ready[2]; /* a byte from each member that has its first lock */
static int go[2];    /* ends for all when everybody has */
static int number, members;

static int open_number(int n)
{
	char name[24];

	snprintf(name, sizeof(name), "ring-%d", n);
	return victim_open(name);
}

static void member(void)
{
	int own = open_number(number), next = open_number((number + 1) % members);
	char byte;

	close(go[1]);
	victim_must(victim_fcntl(own, F_OFD_SETLKW, F_WRLCK, 0, 0), "own");
	victim_must((int)write(ready[1], "", 1), "write");
	while (read(go[0], &byte, 1) > 0)
		;
	victim_must(victim_fcntl(next, F_OFD_SETLKW, F_WRLCK, 0, 0), "next");
}

int main(int argc, char **argv)
{
	pid_t pids[MEMBERS_MAX];
	char byte;

	members = argc > 1 ? atoi(argv[1]) : 0;
	if (members < 2 || members > MEMBERS_MAX)
		return 99;
	victim_watchdog();
	victim_must(pipe(ready) | pipe(go), "pipe");
	for (number = 0; number < members; number++)
		pids[number] = victim_fork(member);
	for (int i = 0; i < members; i++)
		victim_must((int)read(ready[0], &byte, 1), "read");
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < members; i++)
		victim_await_blocked(pids[i], SYS_fcntl);
	for (int i = 0; i < members; i++)
		victim_say_pid("member", pids[i]);
	victim_ready();
	return 0;
}
