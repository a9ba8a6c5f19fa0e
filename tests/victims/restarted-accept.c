/*
 * Scenario: a service that should end at SIGHUP sits in accept(). Its handler sets a flag; SA_RESTART
 * repeats accept(), so the flag is seen one connection too late.
 * Expect: restarted-wait, a warning: handler on_hup(), accept() on its descriptor.
 */
#include "tests/victims/swallow.h"

static void on_hup(int signo)
{
	(void)signo;
	shared->wants_to_end = 1;
}

int main(void)
{
	return swallow_main(on_hup, SA_RESTART);
}
