/*
 * Scenario: a thread takes a mutex and ends; another one waits for the mutex. A third has taken a robust mutex and
 * ended: who takes that one next is told so by libc, and holds it.
 * Expect: the wait, and that the thread that has the mutex ("owner TID") has ended.
 */
#include "threads.h"

static pthread_mutex_t orphan = PTHREAD_MUTEX_INITIALIZER, robust;
static thread_id owner, waiter;

static void *take(void *mutex)
{
	threads_must(pthread_mutex_lock(mutex), "lock");
	if (mutex == &orphan)
		owner = gettid();
	return NULL;
}

static void *wait_for_it(void *unused)
{
	waiter = gettid();
	threads_must(pthread_mutex_lock(&orphan), "lock");
	return unused;
}

static void take_and_end(pthread_mutex_t *mutex)
{
	pthread_t thread;

	threads_must(pthread_create(&thread, NULL, take, mutex), "pthread_create");
	threads_must(pthread_join(thread, NULL), "pthread_join");
}

int main(void)
{
	pthread_mutexattr_t attributes;

	victim_watchdog();
	pthread_mutexattr_init(&attributes);
	threads_must(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), "robust");
	threads_must(pthread_mutex_init(&robust, &attributes), "init");
	take_and_end(&robust);
	if (pthread_mutex_lock(&robust) != EOWNERDEAD)
		errx(99, "not told that the owner is dead");
	threads_must(pthread_mutex_consistent(&robust), "consistent");
	take_and_end(&orphan);
	threads_begin(&waiter, wait_for_it, NULL);
	threads_await_stuck(&waiter);
	victim_say_pid("owner", owner);
	victim_say_pid("waiter", waiter);
	victim_ready();
	_exit(0);
}
