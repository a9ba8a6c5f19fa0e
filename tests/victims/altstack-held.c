/*
 * Scenario: a handler on an alternate stack waits for input; what it interrupted is on the ordinary
 * stack.
 * Expect: a core's backtrace goes from read() and the handler through the signal frame to crunch()
 * and main(), over both stacks; no finding.
 */
#include "handler.h"

static volatile sig_atomic_t is_done;
static char other_stack[64 * 1024];

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	victim_ready();
	is_done = 1;
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; !is_done; i++)
		;
}

int main(void)
{
	stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};

	victim_watchdog();
	victim_must(sigaltstack(&stack, NULL), "sigaltstack");
	victim_handle(SIGALRM, on_alarm, SA_ONSTACK);
	ualarm(2000, 0);
	crunch();
	return 0;
}
