/*
 * Scenario: SIGALRM arrives inside malloc() or free() of a single-threaded process, and its
 * handler calls malloc(). glibc takes no lock then: the call returns, and only luck keeps the heap
 * whole (here: the chunk comes from the thread's cache, so that the victim lives on).
 * Expect: heap-reentered; the stack shows on_alarm, the signal frame, the allocator, churn, main.
 * Twin: handler-safe.c.
 */
#include "handler.h"

static uintptr_t libc_malloc;
static volatile sig_atomic_t is_done;
static void *volatile kept;

__attribute__((noinline)) static void *xmalloc(size_t size)
{
	void *memory = malloc(size);

	kept = memory;
	return memory;
}

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	if (is_done || !victim_is_allocator(victim_pc(context), libc_malloc))
		return;
	xmalloc(24);
	is_done = 1;
}

__attribute__((noinline)) static void churn(void)
{
	kept = malloc(5000);
	free(kept);
	kept = NULL; /* keeps free() from being the last call, which would leave no frame */
}

int main(void)
{
	victim_watchdog();
	libc_malloc = victim_libc_malloc();
	free(xmalloc(24)); /* stays in the thread's cache for the handler */
	victim_handle(SIGALRM, on_alarm, 0);
	victim_alarm_every(300);
	while (!is_done)
		churn();
	victim_alarm_every(0);
	victim_ready();
	_exit(0);
}
