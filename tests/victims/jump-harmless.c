/*
 * Scenario: handlers are left by siglongjmp() where nothing is cut off: code of the program, a call of
 * read() that blocks, a signal that the process sent itself by raise(), also in a handler that another handler
 * interrupted; and one jumps within itself while fwrite() is at work.
 * Expect: no finding.
 * Twin: jump-out.c.
 */
#include "handler.h"

#include <setjmp.h>

static sigjmp_buf back, within;
static volatile sig_atomic_t jumps;

static void leave(int signo)
{
	(void)signo;
	jumps++;
	siglongjmp(back, 1);
}

static void raise_another(int signo)
{
	(void)signo;
	raise(SIGUSR1);
}

static void jump_within(int signo)
{
	(void)signo;
	if (sigsetjmp(within, 1) == 0)
		siglongjmp(within, 1);
}

static ssize_t write_slowly(void *cookie, const char *data, size_t size)
{
	(void)cookie, (void)data;
	syscall(SYS_tgkill, getpid(), gettid(), SIGHUP);
	return (ssize_t)size;
}

static void read_forever(void)
{
	int ends[2];
	char byte;

	victim_must(pipe(ends), "pipe");
	if (sigsetjmp(back, 1))
		return;
	ualarm(2000, 0);
	for (;;)
		if (read(ends[0], &byte, 1) == 0)
			errx(99, "the pipe has ended");
}

static void crunch_forever(void)
{
	if (sigsetjmp(back, 1))
		return;
	ualarm(2000, 0);
	for (volatile unsigned i = 0;; i++)
		;
}

int main(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_slowly});

	victim_watchdog();
	setvbuf(stream, NULL, _IONBF, 0);
	signal(SIGALRM, leave);
	signal(SIGUSR1, leave);
	signal(SIGUSR2, raise_another);
	signal(SIGHUP, jump_within);
	fwrite("text", 1, 4, stream);
	read_forever();
	crunch_forever();
	if (sigsetjmp(back, 1) == 0)
		raise(SIGUSR1);
	if (sigsetjmp(back, 1) == 0)
		raise(SIGUSR2);
	if (jumps == 4)
		victim_ready();
	return 0;
}
