/*
 * Scenario: two nested handlers are left at once by siglongjmp(); after that the program
 * allocates, then a third handler calls malloc().
 * Expect: exactly one finding: malloc in the handler of SIGUSR2. What came between is innocent.
 * Twin: outside-handlers.c.
 */
#include "handler.h"

#include <setjmp.h>

static sigjmp_buf back;
static void *volatile kept;

static void on_inner(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	siglongjmp(back, 1);
}

static void on_outer(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	raise(SIGUSR1);
}

static void on_usr2(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	kept = malloc(33);
}

int main(void)
{
	victim_watchdog();
	victim_handle(SIGUSR1, on_inner, 0);
	victim_handle(SIGALRM, on_outer, 0);
	victim_handle(SIGUSR2, on_usr2, 0);
	for (volatile int i = 0; i < 20; i++) {
		if (sigsetjmp(back, 1) == 0)
			raise(SIGALRM);
		kept = malloc(100);
		free(kept);
	}
	raise(SIGUSR2);
	victim_ready();
	return 0;
}
