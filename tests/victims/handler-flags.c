/*
 * Scenario: main() installs the handler of SIGHUP so that it interrupts accept(); what reloads the
 * configuration installs it once more with signal(), which adds SA_RESTART.
 * Expect: handler-flags, a warning: on_hup(), with both places; the second is in force.
 */
#include "tests/victims/victim.h"

static void on_hup(int signo)
{
	(void)signo;
}

static __attribute__((noinline)) void reload(void)
{
	if (signal(SIGHUP, on_hup) == SIG_ERR)
		err(99, "signal");
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_hup};

	victim_watchdog();
	victim_must(sigaction(SIGHUP, &action, NULL), "sigaction");
	reload();
	victim_ready();
	return 0;
}
