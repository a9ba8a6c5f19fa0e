/*
 * Scenario: as restarted-accept, but without SA_RESTART: accept() returns EINTR, and the flag is seen.
 * Expect: flag-race, a note: SIGHUP may as well come right before accept().
 */
#include "tests/victims/swallow.h"

static void on_hup(int signo)
{
	(void)signo;
	shared->wants_to_end = 1;
}

int main(void)
{
	return swallow_main(on_hup, 0);
}
