/*
 * Scenario: one thread for each thing that a thread can wait for beside locks: a condition variable that was
 * signalled too early, a semaphore that somebody else posted, one that is used as a lock and is taken, a barrier,
 * the end of a thread, and with a time limit.
 * Expect: "wait KIND TID": a wait of that kind of that thread. Nothing is a deadlock: the main thread
 * reads its input.
 */
#include "threads.h"

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;
static sem_t items, used_as_lock;
static pthread_barrier_t start_line;
static thread_id condition, timed, semaphore, locking, barrier, joining, idle;

static void *wait_condition(void *unused)
{
	threads_must(pthread_mutex_lock(&queue_lock), "lock");
	condition = gettid();
	for (;;)
		pthread_cond_wait(&queue_filled, &queue_lock);
	return unused;
}

static void *wait_timed(void *unused)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1000;
	threads_must(pthread_mutex_lock(&queue_lock), "lock");
	timed = gettid();
	pthread_cond_timedwait(&queue_filled, &queue_lock, &until);
	return unused;
}

static void *wait_semaphore(void *unused)
{
	victim_must(sem_wait(&items), "sem_wait");
	semaphore = gettid();
	sem_wait(&items);
	return unused;
}

static void *wait_locking(void *unused)
{
	locking = gettid();
	sem_wait(&used_as_lock);
	return unused;
}

static void *wait_barrier(void *unused)
{
	barrier = gettid();
	pthread_barrier_wait(&start_line);
	return unused;
}

static void *wait_idle(void *unused)
{
	idle = gettid();
	pause();
	return unused;
}

static void *wait_joining(void *thread)
{
	joining = gettid();
	pthread_join(*(pthread_t *)thread, NULL);
	return NULL;
}

static void start(const char *kind, thread_id *tid, void *(*body)(void *), void *argument)
{
	char line[64];

	threads_begin(tid, body, argument);
	threads_await_stuck(tid);
	snprintf(line, sizeof(line), "wait %s %d", kind, (int)*tid);
	victim_say(line);
}

int main(void)
{
	pthread_t other;

	victim_watchdog();
	sem_init(&items, 0, 0);
	sem_init(&used_as_lock, 0, 1);
	threads_must(pthread_barrier_init(&start_line, NULL, 2), "barrier");
	threads_must(pthread_cond_signal(&queue_filled), "signal");
	start("condition", &condition, wait_condition, NULL);
	start("timed", &timed, wait_timed, NULL);
	victim_must(sem_post(&items), "sem_post");
	start("semaphore", &semaphore, wait_semaphore, NULL);
	for (int i = 0; i < 2; i++)
		victim_must(sem_wait(&used_as_lock) | (i ? 0 : sem_post(&used_as_lock)), "semaphore");
	start("locking", &locking, wait_locking, NULL);
	start("barrier", &barrier, wait_barrier, NULL);
	threads_must(pthread_create(&other, NULL, wait_idle, NULL), "pthread_create");
	start("joining", &joining, wait_joining, &other);
	threads_await_begun(&idle);
	victim_say_pid("idle", idle);
	victim_ready();
	_exit(0);
}
