/*
 * Scenario: handlers with SA_RESETHAND that are put back by the handler itself (as programs for System
 * V do), that were replaced on purpose after the delivery, or that were for a fault.
 * Expect: nothing.
 */
#include "tests/victims/victim.h"

static struct sigaction again;

static void on_usr1(int signo)
{
	sigaction(signo, &again, NULL);
}

static void on_signal(int signo)
{
	(void)signo;
}

static void install(int signo, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};

	victim_must(sigaction(signo, &action, NULL), "sigaction");
	if (handler == on_usr1)
		again = action;
}

int main(void)
{
	victim_watchdog();
	install(SIGUSR1, on_usr1);
	install(SIGUSR2, on_signal);
	install(SIGSEGV, on_signal);
	raise(SIGUSR1);
	raise(SIGUSR1);
	raise(SIGUSR2);
	signal(SIGUSR2, SIG_IGN);
	raise(SIGSEGV);
	for (int i = 0; i < 10; i++)
		victim_pause();
	victim_ready();
	return 0;
}
