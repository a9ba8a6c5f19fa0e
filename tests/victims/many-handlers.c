/*
 * Scenario: a handler is installed a thousand times, each time with another mask.
 * Expect: no finding; each installation is recorded, or counted as not recorded.
 */
#include "tests/victims/victim.h"

#define INSTALLATIONS 1000

static void on_signal(int signo)
{
	(void)signo;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	victim_watchdog();
	for (int i = 0; i < INSTALLATIONS; i++) {
		sigemptyset(&action.sa_mask);
		for (int bit = 0; bit < 10; bit++)
			if (i >> bit & 1)
				sigaddset(&action.sa_mask, SIGRTMIN + bit);
		victim_must(sigaction(SIGUSR1, &action, NULL), "sigaction");
	}
	victim_ready();
	return 0;
}
