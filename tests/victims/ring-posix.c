/*
 * Scenario: thirteen processes, each with the POSIX lock of its own file, each waiting for its
 * neighbour's. The kernel looks for such cycles, but not for ones that long: they wait for ever.
 * With an argument the last one asks for nothing and sleeps: the innocent twin.
 * Expect: thirteen holders, thirteen waiters, one deadlock. Twin: twelve waiters, no finding.
 */
#include "victim.h"

#define MEMBERS 13

static int ready[2]; /* a byte from each member that has its first lock */
static int go[2];    /* ends for all when everybody has */
static int number;
static bool is_open_ring;

static int open_number(int n)
{
	char name[16];

	snprintf(name, sizeof(name), "ring-%d", n);
	return victim_open(name);
}

static void member(void)
{
	int own = open_number(number), next = open_number((number + 1) % MEMBERS);
	char byte;

	close(go[1]);
	victim_must(victim_fcntl(own, F_SETLKW, F_WRLCK, 0, 0), "own");
	victim_must((int)write(ready[1], "", 1), "write");
	while (read(go[0], &byte, 1) > 0)
		;
	if (is_open_ring && number == MEMBERS - 1)
		for (;;)
			pause();
	victim_must(victim_fcntl(next, F_SETLKW, F_WRLCK, 0, 0), "next");
}

int main(int argc, char **argv)
{
	pid_t members[MEMBERS];
	char byte;

	(void)argv;
	is_open_ring = argc > 1;
	victim_watchdog();
	victim_must(pipe(ready) | pipe(go), "pipe");
	for (number = 0; number < MEMBERS; number++)
		members[number] = victim_fork(member);
	for (int i = 0; i < MEMBERS; i++)
		victim_must((int)read(ready[0], &byte, 1), "read");
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < MEMBERS - is_open_ring; i++)
		victim_await_blocked(members[i], SYS_fcntl);
	for (int i = 0; i < MEMBERS; i++)
		victim_say_pid("member", members[i]);
	victim_ready();
	return 0;
}
