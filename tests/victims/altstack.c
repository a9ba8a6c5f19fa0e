/*
 * Scenario: a handler on an alternate stack calls malloc(); what it interrupted is on the
 * ordinary stack.
 * Expect: unsafe-call-in-handler with malloc; its stack goes from the handler through the signal
 * frame to crunch() and main(), over both stacks.
 * Twin: handler-safe.c.
 */
#include "handler.h"

static volatile sig_atomic_t is_done;
static void *volatile kept;
static char other_stack[64 * 1024];

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	kept = malloc(77);
	is_done = 1;
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; !is_done; i++)
		;
}

int main(void)
{
	stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };

	victim_watchdog();
	victim_must(sigaltstack(&stack, NULL), "sigaltstack");
	victim_handle(SIGALRM, on_alarm, SA_ONSTACK);
	ualarm(2000, 0);
	crunch();
	victim_ready();
	return 0;
}
