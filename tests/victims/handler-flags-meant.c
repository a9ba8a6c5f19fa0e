/*
 * Scenario: one handler with different flags, each time on purpose: for different signals; by one
 * function that is told the flags; by siginterrupt(), or as that does it; with flags that change nothing for what is
 * interrupted; and once more with the same flags elsewhere.
 * Expect: nothing.
 */
#include "tests/victims/victim.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt */

static void on_signal(int signo)
{
	(void)signo;
}

static __attribute__((noinline)) void install(int signo, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	victim_must(sigaction(signo, &action, NULL), "sigaction");
}

static __attribute__((noinline)) void install_elsewhere(int signo, int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	victim_must(sigaction(signo, &action, NULL), "sigaction");
	victim_must(sigaction(signo, &action, NULL), "sigaction");
}

static __attribute__((noinline)) void change_flags(int signo)
{
	struct sigaction action;

	victim_must(sigaction(signo, NULL, &action), "sigaction");
	action.sa_flags ^= SA_RESTART;
	victim_must(sigaction(signo, &action, NULL), "sigaction");
}

int main(void)
{
	victim_watchdog();
	install(SIGHUP, 0);
	install(SIGTERM, SA_RESTART);
	install(SIGUSR1, SA_RESTART);
	install(SIGUSR1, 0);
	signal(SIGUSR2, on_signal);
	siginterrupt(SIGUSR2, 1);
	change_flags(SIGHUP);
	install(SIGALRM, SA_RESTART);
	install_elsewhere(SIGALRM, SA_RESTART | SA_ONSTACK | (int)SA_SIGINFO);
	victim_ready();
	return 0;
}
