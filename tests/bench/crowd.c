/*
 * A crowd: COUNT processes that each hold the lock of a file of their own, and COUNT that each
 * wait for one of them; or, with a second argument `idle`, COUNT processes that do nothing. Says
 * `ready` when all have started; ends, with all of them, when its stdin does.
 */
#include "tests/victims/victim.h"

static int started[2];

static void take(int number, int command)
{
	char name[32];

	snprintf(name, sizeof(name), "file-%d", number);
	int fd = victim_open(name);
	if (command == F_SETLKW) /* a waiter never comes back: it has told before */
		victim_must((int)write(started[1], "", 1), "write");
	victim_must(victim_fcntl(fd, command, F_WRLCK, 0, 0), name);
	victim_must((int)write(started[1], "", 1), "write");
	pause();
}

static void idle(int number, int command)
{
	(void)number;
	(void)command;
	victim_must((int)write(started[1], "", 1), "write");
	pause();
}

static void start(int count, int command, void (*work)(int number, int command))
{
	pid_t parent = getpid();
	char byte;

	for (int i = 0; i < count; i++) {
		pid_t child = fork();
		if (child < 0)
			err(99, "fork");
		if (child == 0) {
			victim_die_with(parent);
			work(i, command);
		}
	}
	for (int i = 0; i < count; i++)
		victim_must((int)read(started[0], &byte, 1), "read");
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;

	victim_must(pipe(started), "pipe");
	if (argc > 2) {
		start(count, 0, idle);
	} else {
		start(count, F_SETLK, take);
		start(count, F_SETLKW, take);
	}
	victim_ready();
	return 0;
}
