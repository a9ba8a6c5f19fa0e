/*
 * Scenario: a handler calls functions of a library that lockjam knows nothing of (libm, which stands for
 * any), with floating point arguments; then the program calls them itself, through a pointer too.
 * own-unsafe-now is bound when it starts, own-unsafe when it calls.
 * Expect: nothing, unless the functions are named: with --unsafe=cbrt one finding for cbrt() with
 * count 1, and the same results. hypot() has two versions.
 */
#include "handler.h"

#include <math.h>

static double (*volatile pointer)(double, double) = hypot;
static volatile double a = 3, b = 4, c = 27, first, second;

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	first = hypot(a, b);
	second = cbrt(c);
}

int main(void)
{
	victim_watchdog();
	victim_handle(SIGUSR1, on_usr1, 0);
	raise(SIGUSR1);
	for (int i = 0; i < 10; i++)
		if (hypot(a, b) != first || pointer(a, b) != 5 || cbrt(c) != second)
			errx(99, "%g %g", first, second);
	victim_ready();
	return 0;
}
