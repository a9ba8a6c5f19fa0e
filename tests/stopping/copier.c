/*
 * A tool of tests: copies all threads of process PID again and again, as `lockjam stacks` does,
 * until standard input ends. Says `ready` after the first copy, at the end how many there were, and
 * fails if one of them has no stack.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "collector/ptrace/ptrace_copy.h"

#define ROOM 65536
#define SECONDS 100

struct tally {
	unsigned long copied, blocked, gone, late, other; /* late: no processor for its stop */
	int last_error;
};

static void copy(const struct proc *proc, pid_t pid, pid_t tid, struct tally *tally)
{
	static char room[ROOM];
	struct ptrace_copy copy = {.stack = room, .room = sizeof(room)};
	int error = ptrace_copy_thread(proc, pid, tid, &copy);

	if (!error && copy.length)
		tally->copied++;
	else if (error == -EAGAIN)
		tally->blocked++;
	else if (error == -ESRCH)
		tally->gone++;
	else if (error == -ETIMEDOUT)
		tally->late++;
	else {
		tally->other++;
		tally->last_error = error;
	}
}

static bool has_ended(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

int main(int argc, char **argv)
{
	struct proc *proc = proc_new("/");
	pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
	struct tally tally = {0};
	bool is_ready = false;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(SECONDS);
	while (proc && !has_ended()) {
		int *tids;
		ssize_t count = proc_list(proc, &tids, "%d/task", (int)pid);

		for (ssize_t i = 0; i < count; i++)
			copy(proc, pid, tids[i], &tally);
		if (count < 0)
			break;
		free(tids);
		if (!is_ready && tally.copied) {
			is_ready = true;
			puts("ready");
			fflush(stdout);
		}
	}
	printf("copied %lu blocked %lu gone %lu late %lu other %lu: %s\n", tally.copied,
	       tally.blocked, tally.gone, tally.late, tally.other, strerror(-tally.last_error));
	proc_free(proc);
	return 0;
}
