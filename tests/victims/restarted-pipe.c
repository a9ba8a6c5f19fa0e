/*
 * Scenario: as restarted-accept, but the handler writes to a pipe that somebody may poll.
 * Expect: nothing: it wakes whoever looks.
 */
#include "tests/victims/swallow.h"

static void on_hup(int signo)
{
	(void)signo;
	if (write(wake_pipe[1], "", 1) == 1)
		shared->wants_to_end = 1;
}

int main(void)
{
	return swallow_main(on_hup, SA_RESTART);
}
