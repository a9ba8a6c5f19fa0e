/*
 * Scenario: SIGALRM arrives inside malloc() or free() of a process with one thread; its handler
 * allocates too, and inside that the process aborts (or the heap, corrupt by then, makes it abort).
 * Expect: its core shows heap-reentered, from the frames alone. Prints `ready` before all that.
 * Twin: handler-safe.c.
 */
#include "handler.h"

static uintptr_t libc_malloc;
static volatile sig_atomic_t is_in_handler;
static void *volatile kept;

__attribute__((noinline)) static void churn(void)
{
	kept = malloc(5000);
	free(kept);
}

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	if (!victim_is_allocator(victim_pc(context), libc_malloc))
		return;
	is_in_handler = 1;
	for (;;)
		churn();
}

static void on_tick(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	if (is_in_handler && victim_is_allocator(victim_pc(context), libc_malloc))
		abort();
}

int main(void)
{
	struct itimerval tick = {{0, 1000}, {0, 1000}};

	victim_watchdog();
	libc_malloc = victim_libc_malloc();
	victim_handle(SIGALRM, on_alarm, SA_RESTART);
	victim_handle(SIGVTALRM, on_tick, SA_RESTART);
	victim_say("ready");
	victim_alarm_every(300);
	victim_must(setitimer(ITIMER_VIRTUAL, &tick, NULL), "setitimer");
	for (;;)
		churn();
}
