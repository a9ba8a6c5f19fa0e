/*
 * What the victims with children share: children that end when they are told to, and a look at which of
 * them are zombies.
 */
#include "tests/victims/victim.h"

#define CHILDREN 3

static pid_t children[CHILDREN];

/* Blocked until `end` has no writer. */
static void start_children(int signals_blocked)
{
	int end[2];
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	victim_must(pipe2(end, O_CLOEXEC), "pipe2");
	for (int i = 0; i < CHILDREN; i++) {
		char byte;

		children[i] = fork();
		if (children[i] == 0) {
			close(end[1]);
			_exit(read(end[0], &byte, 1) != 0);
		}
	}
	if (signals_blocked)
		sigprocmask(SIG_BLOCK, &set, &old);
	close(end[1]);
	for (int i = 0; i < CHILDREN; i++) {
		siginfo_t info;

		/* All have ended before the first signal is taken. With SIGCHLD ignored it waits
		 * until there are none, and fails. */
		waitid(P_PID, (id_t)children[i], &info, WEXITED | WNOWAIT);
	}
	close(end[0]);
	if (signals_blocked)
		sigprocmask(SIG_SETMASK, &old, NULL);
}
