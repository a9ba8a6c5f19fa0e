/*
 * Scenario: threads that are cancelled while they wait for a condition variable, a semaphore and a thread's end; and
 * waits that end by their time limit.
 * Expect: nobody waits any more, and nobody holds the mutex that pthread_cond_wait() took again for the
 * cleanup; exit status 0.
 */
#include "threads.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static _Atomic int cleanups;
static thread_id tids[3];
static pthread_t idle;

static void unlock(void *unused)
{
	(void)unused;
	cleanups++;
	threads_must(pthread_mutex_unlock(&mutex), "unlock");
}

static void count(void *unused)
{
	(void)unused;
	cleanups++;
}

static void *in_condition(void *unused)
{
	threads_must(pthread_mutex_lock(&mutex), "lock");
	pthread_cleanup_push(unlock, NULL);
	tids[0] = gettid();
	for (;;)
		pthread_cond_wait(&condition, &mutex);
	pthread_cleanup_pop(0);
	return unused;
}

static void *in_semaphore(void *unused)
{
	pthread_cleanup_push(count, NULL);
	tids[1] = gettid();
	sem_wait(&semaphore);
	pthread_cleanup_pop(0);
	return unused;
}

static void *in_join(void *unused)
{
	pthread_cleanup_push(count, NULL);
	tids[2] = gettid();
	pthread_join(idle, NULL);
	pthread_cleanup_pop(0);
	return unused;
}

static void *sleeping(void *unused)
{
	pause();
	return unused;
}

static void expire(void)
{
	struct timespec past = { .tv_sec = 1 };

	threads_must(pthread_mutex_lock(&mutex), "lock");
	if (pthread_cond_timedwait(&condition, &mutex, &past) != ETIMEDOUT)
		errx(99, "no time limit");
	errno = 0;
	if (sem_timedwait(&semaphore, &past) != -1 || errno != ETIMEDOUT)
		errx(99, "no time limit: %d", errno);
	threads_must(pthread_mutex_unlock(&mutex), "unlock");
	if (pthread_timedjoin_np(idle, NULL, &past) != ETIMEDOUT)
		errx(99, "no time limit");
}

int main(void)
{
	static void *(*const bodies[])(void *) = { in_condition, in_semaphore, in_join };
	void *result;

	victim_watchdog();
	sem_init(&semaphore, 0, 0);
	threads_must(pthread_create(&idle, NULL, sleeping, NULL), "pthread_create");
	for (int i = 0; i < 3; i++) {
		pthread_t thread;

		threads_must(pthread_create(&thread, NULL, bodies[i], NULL), "pthread_create");
		threads_await_stuck(&tids[i]);
		threads_must(pthread_cancel(thread), "pthread_cancel");
		threads_must(pthread_join(thread, &result), "pthread_join");
		if (result != PTHREAD_CANCELED || cleanups != i + 1)
			errx(99, "thread %d was not cancelled as it should be", i);
	}
	expire();
	if (pthread_mutex_trylock(&mutex))
		errx(99, "the mutex is still taken");
	threads_must(pthread_mutex_unlock(&mutex), "unlock");
	victim_ready();
	_exit(0);
}
