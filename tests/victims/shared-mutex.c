/*
 * Scenario: a process has a mutex in shared memory, its child waits for it; it says the child's pid.
 * Expect: without a record, the owner is found in the other process.
 */
#include "victim.h"

#include <pthread.h>
#include <sys/mman.h>

static pthread_mutex_t *shared;

static void wait_for_it(void)
{
	pthread_mutex_lock(shared);
}

int main(void)
{
	pthread_mutexattr_t a;
	pid_t child;

	victim_watchdog();
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(99, "mmap");
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(shared, &a);
	pthread_mutex_lock(shared);
	child = victim_fork(wait_for_it);
	victim_await_blocked(child, SYS_futex);
	victim_say_pid("waiter", child);
	victim_ready();
	kill(child, SIGKILL);
	return 0;
}
