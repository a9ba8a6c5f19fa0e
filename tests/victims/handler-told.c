/*
 * Scenario: a handler calls an unsafe function, one that is unsafe by POSIX alone, and two safe ones,
 * and changes errno from EINTR to EBADF. It runs for a timer, then for a child that sends its signal.
 * Expect: all of that in `signals`.
 */
#include "tests/victims/victim.h"

#include <sys/time.h>

static volatile sig_atomic_t deliveries;

static void on_alarm(int signo)
{
	time_t now = 0;

	(void)signo;
	getenv("NAME");
	localtime(&now);
	if (write(-1, "", 1) < 0)
		kill(getpid(), 0);
	errno = EBADF;
	deliveries++;
}

/* Outside of calls: what is interrupted is this. */
static __attribute__((noinline)) void await(int wanted)
{
	errno = EINTR;
	while (deliveries < wanted)
		;
}

static void send(void)
{
	kill(getppid(), SIGALRM);
	for (;;)
		pause();
}

int main(void)
{
	struct itimerval soon = {.it_value = {.tv_usec = 1000}};
	struct sigaction action = {.sa_handler = on_alarm};
	pid_t sender;

	victim_watchdog();
	victim_must(sigaction(SIGALRM, &action, NULL), "sigaction");
	victim_must(setitimer(ITIMER_REAL, &soon, NULL), "setitimer");
	await(1);
	sender = victim_fork(send);
	await(2);
	victim_say_pid("sender", sender);
	victim_ready();
	return 0;
}
