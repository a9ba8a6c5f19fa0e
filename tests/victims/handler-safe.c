/*
 * Scenario: SIGALRM arrives often while the program allocates; its handler sets a flag, keeps
 * errno, and writes a byte to a pipe: all of it allowed.
 * Expect: no finding; the handler is listed with its deliveries.
 * Twin: heap-single.c, heap-threaded.c, handler-calls.c.
 */
#include "handler.h"

static volatile sig_atomic_t arrived;
static int wake[2];
static void *volatile kept;

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	ssize_t n = write(wake[1], "", 1);

	(void)signo, (void)info, (void)context, (void)n;
	arrived = arrived + 1;
	errno = saved_errno;
}

int main(void)
{
	victim_watchdog();
	victim_must(pipe(wake), "pipe");
	victim_handle(SIGALRM, on_alarm, SA_RESTART);
	victim_alarm_every(300);
	while (arrived < 100) {
		kept = malloc(5000);
		free(kept);
	}
	victim_alarm_every(0);
	victim_ready();
	return 0;
}
