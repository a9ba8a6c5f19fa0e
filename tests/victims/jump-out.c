/*
 * Scenario: a handler that comes while malloc() is at work is left by siglongjmp(), and one that comes
 * while fwrite() is at work by longjmp(). The program does nothing that needs them afterwards.
 * Expect: jump-out-of-handler twice: of SIGALRM, which interrupted the allocator, and of SIGUSR1, which
 * interrupted fwrite(). The handlers call nothing that is unsafe.
 * Twin: jump-harmless.c.
 */
#include "handler.h"

#include <setjmp.h>

static sigjmp_buf out_of_malloc;
static jmp_buf out_of_stdio;
static uintptr_t libc_malloc;
static void *volatile kept;

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	if (victim_is_allocator(victim_pc(context), libc_malloc))
		siglongjmp(out_of_malloc, 1);
}

static void on_usr1(int signo)
{
	(void)signo;
	longjmp(out_of_stdio, 1);
}

/* The kernel delivers at the end of this system call: stdio is at work. */
static ssize_t write_slowly(void *cookie, const char *data, size_t size)
{
	(void)cookie, (void)data;
	syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
	return (ssize_t)size;
}

static void jump_out_of_malloc(void)
{
	if (sigsetjmp(out_of_malloc, 1))
		return;
	victim_alarm_every(300);
	for (;;) {
		kept = malloc(2000);
		free(kept);
	}
}

int main(void)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_slowly});

	victim_watchdog();
	libc_malloc = victim_libc_malloc();
	setvbuf(stream, NULL, _IONBF, 0);
	signal(SIGUSR1, on_usr1);
	if (setjmp(out_of_stdio) == 0)
		fwrite("text", 1, 4, stream);
	victim_handle(SIGALRM, on_alarm, 0);
	jump_out_of_malloc();
	signal(SIGALRM, SIG_IGN);
	victim_ready();
	return 0;
}
