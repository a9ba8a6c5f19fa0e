/*
 * Scenario: SIGALRM arrives inside malloc() or free() of a process with two threads, and its
 * handler calls malloc(): the thread waits for the arena's lock that it holds itself. It holds a
 * POSIX lock too, for which a child waits.
 * Expect: deadlock-heap; a holder of WRITE, its waiter, and the holder's backtrace through the
 * signal frame; the same backtrace when it is dead.
 * Twin: handler-safe.c.
 */
#include "handler.h"

#include <pthread.h>

static uintptr_t libc_malloc;
static volatile sig_atomic_t is_in_handler;
static void *volatile kept;
static const char *path;

__attribute__((noinline)) static void *xzmalloc(size_t size)
{
	kept = malloc(size);
	return kept;
}

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info;
	if (!victim_is_allocator(victim_pc(context), libc_malloc))
		return;
	is_in_handler = 1;
	free(xzmalloc(5000));
	is_in_handler = 0;
}

static void wait_for_it(void)
{
	victim_must(victim_fcntl(victim_open(path), F_SETLKW, F_WRLCK, 0, 0), "F_SETLKW");
}

static void *watch(void *unused)
{
	pid_t main_thread = getpid();

	/* Twice the same: the arena's lock is never held for as long as the pause between. */
	for (int seen = 0; seen < 2; victim_pause())
		seen = is_in_handler && victim_is_blocked(main_thread, SYS_futex)
			       ? seen + 1
			       : 0;
	victim_ready();
	_exit(0);
	return unused;
}

__attribute__((noinline)) static void churn(void)
{
	kept = malloc(5000);
	free(kept);
	kept = NULL; /* keeps free() from being the last call, which would leave no frame */
}

int main(int argc, char **argv)
{
	pthread_t watcher;

	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	libc_malloc = victim_libc_malloc();
	victim_must(victim_fcntl(victim_open(path), F_SETLK, F_WRLCK, 0, 0), "F_SETLK");
	pid_t waiter = victim_fork(wait_for_it);
	victim_await_blocked(waiter, SYS_fcntl);
	victim_say_pid("waiter", waiter);

	sigset_t alarm;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL); /* the watcher inherits this */
	pthread_create(&watcher, NULL, watch, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	victim_handle(SIGALRM, on_alarm, SA_RESTART);
	victim_alarm_every(300);
	for (;;)
		churn();
}
