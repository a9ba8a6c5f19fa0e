/*
 * Scenario: for each function that is named as an argument, a child whose handler calls it, with
 * all arguments zero. What the function makes of that is its own affair (many crash, some block
 * until the child's timer kills it): the call has been recorded before.
 * Expect: one unsafe-call-in-handler for each function, however the child ended.
 */
#include "handler.h"

static void (*function)(long, long, long, long, long, long);

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	function(0, 0, 0, 0, 0, 0);
}

/* A function that waits for something must not keep the test: SIGKILL after a moment. */
static void die_soon(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec when = { .it_value.tv_nsec = 300000000 };
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &when, NULL))
		_exit(99);
}

static void call_in_handler(void)
{
	int nothing = open("/dev/null", O_RDWR);

	dup2(nothing, STDIN_FILENO);
	dup2(nothing, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
	die_soon();
	victim_handle(SIGUSR1, on_usr1, 0);
	raise(SIGUSR1);
}

int main(int argc, char **argv)
{
	victim_watchdog();
	prctl(PR_SET_DUMPABLE, 0); /* crashes leave no core */
	for (int i = 1; i < argc; i++) {
		function = (void (*)(long, long, long, long, long, long))dlsym(RTLD_DEFAULT, argv[i]);
		if (!function) {
			dprintf(STDOUT_FILENO, "missing %s\n", argv[i]);
			continue;
		}
		pid_t child = victim_fork(call_in_handler);
		dprintf(STDOUT_FILENO, "call %d %s\n", (int)child, argv[i]);
		waitpid(child, NULL, 0);
	}
	victim_ready();
	return 0;
}
