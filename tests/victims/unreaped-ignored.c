/*
 * Scenario: children end, and SIGCHLD is ignored: the kernel reaps them. One had ended before.
 * Expect: nothing.
 */
#include "tests/victims/children.h"

int main(void)
{
	siginfo_t info;
	pid_t early;

	victim_watchdog();
	early = fork();
	if (early == 0)
		_exit(0);
	victim_must(waitid(P_PID, (id_t)early, &info, WEXITED | WNOWAIT), "waitid");
	signal(SIGCHLD, SIG_IGN);
	start_children(0);
	victim_ready();
	return 0;
}
