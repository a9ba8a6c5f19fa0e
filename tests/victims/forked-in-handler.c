/*
 * Scenario: a handler interrupts the program's own code and forks; the child does not leave it, calls strtok() there
 * three times and rand() once, and lives on. The parent calls rand() in the same handler, and goes on.
 * Expect: fork() and rand() are warnings; strtok(), which the child alone called, is a note that tells why.
 */
#include "tests/victims/handler.h"

static volatile sig_atomic_t is_done;
static pid_t parent;

static void on_alarm(int signo)
{
	char words[] = "a b";
	int ready[2];

	(void)signo;
	victim_must(pipe(ready), "pipe");
	if (fork() == 0) {
		victim_die_with(parent);
		for (unsigned i = 0; i < 3; i++)
			(void)strtok(words, " ");
		(void)rand();
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	/* The end of the pipe says that the child has called all. */
	if (read(ready[0], words, 1) != 0)
		_exit(98);
	(void)rand();
	is_done = 1;
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; !is_done; i++)
		;
}

int main(void)
{
	victim_watchdog();
	parent = getpid();
	signal(SIGALRM, on_alarm);
	ualarm(2000, 0);
	crunch();
	victim_ready();
	return 0;
}
