/*
 * Scenario: a handler of SIGCHLD reaps one child each time it runs. Three children end while the
 * signal is blocked: it comes once.
 * Expect: unreaped-children, a warning, once the two that are left have been there for some seconds.
 */
#include "tests/victims/children.h"

static void on_child(int signo)
{
	int saved = errno;

	(void)signo;
	wait(NULL);
	errno = saved;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART};

	victim_watchdog();
	victim_must(sigaction(SIGCHLD, &action, NULL), "sigaction");
	start_children(1);
	victim_ready();
	return 0;
}
