/*
 * Scenario: stops the process PID as debuggers do, and lets it go when standard input ends; with
 * `seize` traces it without stopping it. Expect: a process that waited for a lock has lost its
 * place in the queue.
 */
#include "victim.h"

#include <sys/ptrace.h>

int main(int argc, char **argv)
{
	pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
	int status;

	victim_watchdog();
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL))
		err(1, "%d", (int)pid);
	if (argc > 2) { /* our end lets it go */
		victim_ready();
		return 0;
	}
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) || waitpid(pid, &status, __WALL) != pid)
		err(1, "%d", (int)pid);
	victim_ready();
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		err(1, "%d", (int)pid);
	return 0;
}
