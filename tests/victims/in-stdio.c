/*
 * Scenario: a handler that calls localtime() comes while the program is in fwrite(): inside the write function
 * of its stream, where it cannot be missed.
 * Expect: unsafe-call-in-handler, a warning that names fwrite() as not safe either.
 */
#include "tests/victims/victim.h"

static void on_signal(int signo)
{
	time_t now = signo;

	if (!localtime(&now))
		_exit(98);
}

/* The kernel delivers at the end of this system call: stdio is at work. */
static ssize_t write_slowly(void *cookie, const char *data, size_t size)
{
	(void)cookie;
	(void)data;
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	return (ssize_t)size;
}

int main(void)
{
	FILE *stream;

	victim_watchdog();
	signal(SIGUSR1, on_signal);
	stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_slowly});
	setvbuf(stream, NULL, _IONBF, 0);
	fwrite("text", 1, 4, stream);
	victim_ready();
	return 0;
}
