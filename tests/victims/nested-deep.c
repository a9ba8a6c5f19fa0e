/*
 * Scenario: nested-deep DEPTH. The handlers of DEPTH real-time signals nest, each sends itself the next one; the
 * innermost calls strtok(), unsafe and harmless here, then all return.
 * Expect: one finding, of the last signal, whose stack goes through the frames of DEPTH signals to main(), as
 * far as it was copied; each signal was delivered once, the last one DEPTH deep.
 */
#include "tests/victims/handler.h"

static int last;

static void on_signal(int signo)
{
	char words[] = "a b";

	if (signo < last)
		raise(signo + 1);
	else
		(void)strtok(words, " ");
}

int main(int argc, char **argv)
{
	victim_watchdog();
	last = SIGRTMIN + (argc > 1 ? atoi(argv[1]) : 2) - 1;
	if (last > SIGRTMAX)
		errx(2, "so many signals are there not");
	for (int signo = SIGRTMIN; signo <= last; signo++)
		signal(signo, on_signal);
	raise(SIGRTMIN);
	victim_ready();
	return 0;
}
