/*
 * Scenario: every wrapped function that takes or gives back a lock of threads, each on a lock of its own,
 * in one thread that holds them all at once; and what looks like a hold and is none.
 * Expect: what it says with "took NAME ADDRESS" is in its list, what it says with "drop" is not.
 */

#include "tests/victims/threads.h"

#include <threads.h>

#define MANY 40 /* mutexes more: over a hundred locks in all */

static pthread_mutex_t mutexes[MANY + 16];
static pthread_rwlock_t rwlocks[16];
static pthread_spinlock_t spins[4];
static sem_t semaphores[5];
static mtx_t plain[4];
static unsigned used_mutexes, used_rwlocks;
static struct timespec soon;

static void say(const char *what, const char *name, const void *address)
{
	char line[96];

	snprintf(line, sizeof(line), "%s %s %#lx", what, name, (unsigned long)address);
	victim_say(line);
}

static pthread_mutex_t *new_mutex(void)
{
	pthread_mutex_t *mutex = &mutexes[used_mutexes++];

	pthread_mutex_init(mutex, NULL);
	return mutex;
}

static pthread_rwlock_t *new_rwlock(void)
{
	pthread_rwlock_t *lock = &rwlocks[used_rwlocks++];

	pthread_rwlock_init(lock, NULL);
	return lock;
}

#define TAKE(name, object, ...)                                     \
	do {                                                        \
		__typeof__(object) it_ = object;                  \
		threads_must(name(it_, ##__VA_ARGS__), #name);      \
		say("took", #name, (const void *)it_);            \
	} while (0)

static void take_all(void)
{
	TAKE(pthread_mutex_lock, new_mutex());
	TAKE(pthread_mutex_trylock, new_mutex());
	TAKE(pthread_mutex_timedlock, new_mutex(), &soon);
	TAKE(pthread_mutex_clocklock, new_mutex(), CLOCK_REALTIME, &soon);
	TAKE(pthread_rwlock_rdlock, new_rwlock());
	TAKE(pthread_rwlock_wrlock, new_rwlock());
	TAKE(pthread_rwlock_tryrdlock, new_rwlock());
	TAKE(pthread_rwlock_trywrlock, new_rwlock());
	TAKE(pthread_rwlock_timedrdlock, new_rwlock(), &soon);
	TAKE(pthread_rwlock_timedwrlock, new_rwlock(), &soon);
	TAKE(pthread_rwlock_clockrdlock, new_rwlock(), CLOCK_REALTIME, &soon);
	TAKE(pthread_rwlock_clockwrlock, new_rwlock(), CLOCK_REALTIME, &soon);
	pthread_spin_init(&spins[0], PTHREAD_PROCESS_PRIVATE);
	pthread_spin_init(&spins[1], PTHREAD_PROCESS_PRIVATE);
	TAKE(pthread_spin_lock, &spins[0]);
	TAKE(pthread_spin_trylock, &spins[1]);
}

static void take_others(void)
{
	for (int i = 0; i < 5; i++)
		victim_must(sem_init(&semaphores[i], 0, 1), "sem_init");
	for (int i = 0; i < 4; i++)
		threads_must(mtx_init(&plain[i], mtx_timed), "mtx_init");
	TAKE(sem_wait, &semaphores[0]);
	TAKE(sem_timedwait, &semaphores[1], &soon);
	TAKE(sem_clockwait, &semaphores[2], CLOCK_REALTIME, &soon);
	TAKE(sem_trywait, &semaphores[3]);
	TAKE(mtx_lock, &plain[0]);
	TAKE(mtx_timedlock, &plain[1], &soon);
	TAKE(mtx_trylock, &plain[2]);
}

#define DROP(taken, unlock, object)                           \
	do {                                                  \
		threads_must(taken(object), #taken);          \
		threads_must(unlock(object), #unlock);        \
		say("drop", #unlock, (const void *)(object)); \
	} while (0)

static void *unlock_foreign(void *mutex)
{
	threads_must(pthread_mutex_unlock(mutex), "unlock");
	return NULL;
}

static void drop_all(void)
{
	pthread_mutex_t *mutex = new_mutex(), *other = new_mutex();
	pthread_rwlock_t *rwlock = new_rwlock();
	pthread_t thread;

	DROP(pthread_mutex_lock, pthread_mutex_unlock, mutex);
	DROP(pthread_rwlock_rdlock, pthread_rwlock_unlock, rwlock);
	DROP(pthread_rwlock_wrlock, pthread_rwlock_unlock, rwlock);
	DROP(sem_wait, sem_post, &semaphores[4]);
	DROP(mtx_lock, mtx_unlock, &plain[3]);
	pthread_spin_init(&spins[2], PTHREAD_PROCESS_PRIVATE);
	DROP(pthread_spin_lock, pthread_spin_unlock, &spins[2]);
	/* In the order in which they were taken. */
	threads_must(pthread_mutex_lock(mutex) | pthread_mutex_lock(other), "lock");
	threads_must(pthread_mutex_unlock(mutex) | pthread_mutex_unlock(other), "unlock");
	say("drop", "hand-over-hand", other);
	/* By another thread, as a semaphore. */
	threads_must(pthread_mutex_lock(mutex), "lock");
	threads_must(pthread_create(&thread, NULL, unlock_foreign, mutex), "pthread_create");
	threads_must(pthread_join(thread, NULL), "pthread_join");
	say("drop", "foreign", mutex);
}

/* Refused: it is not held; refused to give back: it still is. */
static void fail_all(void)
{
	pthread_mutex_t *strict = new_mutex(), *other = new_mutex(), *taken = new_mutex();
	pthread_mutexattr_t type;

	pthread_mutexattr_init(&type);
	pthread_mutexattr_settype(&type, PTHREAD_MUTEX_ERRORCHECK);
	threads_must(pthread_mutex_init(strict, &type) | pthread_mutex_init(other, &type), "init");
	if (pthread_mutex_unlock(strict) != EPERM)
		errx(99, "an error-checking mutex was given back that nobody had");
	say("drop", "unlock-EPERM", strict);
	TAKE(pthread_mutex_lock, taken);
	if (pthread_mutex_trylock(taken) != EBUSY)
		errx(99, "a mutex was taken twice");
	threads_must(pthread_mutex_lock(other), "lock");
	if (pthread_mutex_lock(other) != EDEADLK)
		errx(99, "an error-checking mutex was taken twice");
	say("took", "EDEADLK", other);
}

static void take_recursive(void)
{
	static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

	threads_must(pthread_mutex_lock(&mutex) | pthread_mutex_lock(&mutex), "recursive");
	threads_must(pthread_mutex_unlock(&mutex), "unlock");
	say("took", "recursive", &mutex);
}

int main(void)
{
	victim_watchdog();
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += 60;
	take_all();
	take_others();
	drop_all();
	fail_all();
	take_recursive();
	for (unsigned i = 0; i < MANY; i++)
		TAKE(pthread_mutex_lock, new_mutex());
	victim_ready();
	_exit(0);
}
