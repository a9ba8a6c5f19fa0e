/*
 * Scenario: SIGALRM arrives while the program is inside the vdso's clock_gettime(); the handler
 * aborts.
 * Expect: a core's backtrace goes from the handler through the signal frame and the vdso to spin()
 * and main(). Prints `ready` before that.
 */
#include "handler.h"

#include <elf.h>
#include <sys/auxv.h>

static uintptr_t vdso;

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	if (victim_pc(context) > vdso && victim_pc(context) < vdso + 0x10000)
		abort();
}

__attribute__((noinline)) static long spin(clockid_t id)
{
	struct timespec now;
	volatile long sum = 0;

	for (;;) {
		clock_gettime(id, &now);
		sum = sum + now.tv_nsec;
	}
	return sum;
}

int main(void)
{
	victim_watchdog();
	vdso = getauxval(AT_SYSINFO_EHDR);
	victim_handle(SIGALRM, on_alarm, SA_RESTART);
	victim_say("ready");
	victim_alarm_every(300);
	return (int)spin(CLOCK_MONOTONIC);
}
