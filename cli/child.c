#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/child.h"
#include "cli/message.h"

int child_refused(const char *command, int code)
{
	if (code == -ENOENT) {
		message(command, "command not found",
			strchr(command, '/') ? NULL : "is its directory in PATH?");
		return STATUS_NOT_FOUND;
	}
	message(command, strerror(-code), "it cannot be executed");
	return STATUS_NOT_EXECUTABLE;
}

/* What lockjam changes for itself while it waits, and the child must not see. */
struct signal_state {
	sigset_t mask;
	struct sigaction child_action;
};

/*
 * All that is to be handed on is blocked from before the fork and fetched by sigwaitinfo(), so no
 * handler is needed and nothing is missed. Stops are left to their default action: a terminal
 * sends them to both.
 */
static void hold_signals(sigset_t *held, struct signal_state *old)
{
	static const int signals[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	struct sigaction by_default = {.sa_handler = SIG_DFL};

	sigemptyset(held);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(held, signals[i]);
	sigprocmask(SIG_BLOCK, held, &old->mask);
	/* Ignored, it would take the child's status away. */
	sigaction(SIGCHLD, &by_default, &old->child_action);
}

static void release_signals(const struct signal_state *old)
{
	sigaction(SIGCHLD, &old->child_action, NULL);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);
}

static void execute(char **argv, const struct signal_state *old)
{
	release_signals(old);
	execvp(argv[0], argv);
	_exit(child_refused(argv[0], -errno));
}

/* True once the child has ended. */
static bool take_signal(const sigset_t *held, pid_t child, int *status)
{
	siginfo_t info;
	int signo = sigwaitinfo(held, &info);

	if (signo == SIGCHLD)
		return waitpid(child, status, WNOHANG) == child;
	/* From the terminal (si_code > 0) it has reached the child as well. */
	if (signo > 0 && info.si_code <= 0)
		kill(child, signo);
	return false;
}

int child_run(char **argv, pid_t *pid, int *status)
{
	struct signal_state old;
	sigset_t held;
	pid_t child;
	int error;

	hold_signals(&held, &old);
	child = fork();
	error = child < 0 ? -errno : 0;
	if (child == 0)
		execute(argv, &old);
	*pid = child;
	while (!error && !take_signal(&held, child, status))
		;
	release_signals(&old);
	return error;
}

int child_exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_die_alike(int status)
{
	const struct rlimit no_core = {0, 0};
	sigset_t one;

	if (!WIFSIGNALED(status))
		return;
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(WTERMSIG(status));
}
