/*
 * Scenario: SIGUSR1 interrupts the handler of SIGALRM; the inner handler calls malloc(), and
 * when it has returned the outer one calls puts().
 * Expect: two findings: malloc in the handler of SIGUSR1 (its stack goes through two signal
 * frames), puts in the handler of SIGALRM; the deepest nesting seen is 2.
 * Twin: outside-handlers.c.
 */
#include "handler.h"

static volatile sig_atomic_t is_done;
static void *volatile kept;

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	kept = malloc(33);
}

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	raise(SIGUSR1);
	puts("outer");
	is_done = 1;
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; !is_done; i++)
		;
}

int main(void)
{
	static char buffer[256];

	victim_watchdog();
	setvbuf(stdout, buffer, _IOLBF, sizeof(buffer)); /* else puts() allocates one */
	victim_handle(SIGUSR1, on_usr1, 0);
	victim_handle(SIGALRM, on_alarm, 0);
	ualarm(2000, 0);
	crunch();
	victim_ready();
	return 0;
}
