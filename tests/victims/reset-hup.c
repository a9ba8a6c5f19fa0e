/*
 * Scenario: a handler of SIGHUP with SA_RESETHAND, as signal() of System V makes it. After the first
 * SIGHUP the service goes on; a second one would kill it.
 * Expect: reset-handler, a warning: on_hup(), "the next SIGHUP will end".
 */
#include "tests/victims/victim.h"

static void on_hup(int signo)
{
	(void)signo;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_hup, .sa_flags = (int)SA_RESETHAND};

	victim_watchdog();
	victim_must(sigaction(SIGHUP, &action, NULL), "sigaction");
	raise(SIGHUP);
	for (int i = 0; i < 10; i++)
		victim_pause(); /* it goes on */
	victim_ready();
	return 0;
}
