/*
 * Scenario: handlers that call printf() where it does no harm: one of a signal that the process sends itself by
 * raise(), and one of a signal that is blocked but in sigsuspend().
 * Expect: two unsafe-call-in-handler, both notes: no finding for an exit status.
 */
#include "tests/victims/victim.h"

static void on_signal(int signo)
{
	printf("signal %d\n", signo);
}

int main(void)
{
	sigset_t usr2, before;

	victim_watchdog();
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	raise(SIGUSR1);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigprocmask(SIG_BLOCK, &usr2, &before);
	kill(getpid(), SIGUSR2);
	sigsuspend(&before);
	fflush(stdout);
	victim_ready();
	return 0;
}
