/*
 * Scenario: two processes, two mutexes in memory that they share: each has one and waits for the other's.
 * Expect: both holds and both waits, each with its process; a deadlock.
 */
#include "threads.h"

#include <sys/mman.h>

static struct shared {
	pthread_mutex_t locks[2];
	_Atomic int arrived;
} *shared;

static void cross(int first)
{
	threads_must(pthread_mutex_lock(&shared->locks[first]), "lock");
	threads_meet(&shared->arrived, 2);
	threads_must(pthread_mutex_lock(&shared->locks[1 - first]), "lock");
}

static void child(void)
{
	cross(1);
}

static void *other_half(void *unused)
{
	cross(0);
	return unused;
}

int main(void)
{
	pthread_mutexattr_t attributes;
	pthread_t thread;
	pid_t other;

	victim_watchdog();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(99, "mmap");
	pthread_mutexattr_init(&attributes);
	threads_must(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), "shared");
	for (int i = 0; i < 2; i++)
		threads_must(pthread_mutex_init(&shared->locks[i], &attributes), "init");
	other = victim_fork(child);
	threads_must(pthread_create(&thread, NULL, other_half, NULL), "pthread_create");
	victim_await_blocked(other, SYS_futex);
	victim_say_pid("other", other);
	victim_ready();
	kill(other, SIGKILL);
	_exit(0);
}
