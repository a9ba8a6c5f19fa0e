/*
 * What the shim costs a lock of threads that nobody else wants: locks KIND COUNT [THREADS].
 * KIND: mutex, recursive, rdlock, wrlock, spin, nested (a second mutex inside of the first), cond
 * (a signal that nobody waits for), sem (wait and post), contended (THREADS threads, one mutex).
 * Prints nanoseconds per pair: the best slice of many where there is one thread. A second thread exists all the time: in a process of one, libc takes
 * locks without atomic operations.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <err.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t semaphore, ending;

static void pair_mutex(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static void pair_recursive(void)
{
	pthread_mutex_lock(&recursive);
	pthread_mutex_unlock(&recursive);
}

static void pair_rdlock(void)
{
	pthread_rwlock_rdlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
}

static void pair_wrlock(void)
{
	pthread_rwlock_wrlock(&rwlock);
	pthread_rwlock_unlock(&rwlock);
}

static void pair_spin(void)
{
	pthread_spin_lock(&spin);
	pthread_spin_unlock(&spin);
}

static void pair_nested(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_lock(&inner);
	pthread_mutex_unlock(&inner);
	pthread_mutex_unlock(&mutex);
}

static void pair_cond(void)
{
	pthread_cond_signal(&condition);
}

static void pair_sem(void)
{
	sem_wait(&semaphore);
	sem_post(&semaphore);
}

static const struct {
	const char *name;
	void (*pair)(void);
} kinds[] = {
	{ "mutex", pair_mutex },   { "recursive", pair_recursive }, { "rdlock", pair_rdlock },
	{ "wrlock", pair_wrlock }, { "spin", pair_spin },           { "nested", pair_nested },
	{ "cond", pair_cond },     { "sem", pair_sem },             { "contended", pair_mutex },
};

struct work {
	void (*pair)(void);
	unsigned long count;
};

static void *run(void *argument)
{
	const struct work *work = argument;

	for (unsigned long i = 0; i < work->count; i++)
		work->pair();
	return NULL;
}

static void *idle(void *unused)
{
	sem_wait(&ending);
	return unused;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The best of many slices: what else the machine does meets only some of them. */
#define SLICES 40

static double measure_alone(struct work *work)
{
	double best = 0;

	work->count /= SLICES;
	for (int i = 0; i < SLICES; i++) {
		uint64_t start = now_ns();

		run(work);
		double pair = (double)(now_ns() - start) / (double)work->count;
		best = i && best < pair ? best : pair;
	}
	return best;
}

/* The calling thread is one of them. */
static double measure(struct work *work, unsigned threads)
{
	pthread_t others[64];
	uint64_t start = now_ns();

	if (threads < 1 || threads > 64)
		errx(2, "up to 64 threads");
	work->count /= threads;
	for (unsigned i = 1; i < threads; i++)
		if (pthread_create(&others[i], NULL, run, work))
			errx(1, "pthread_create");
	run(work);
	for (unsigned i = 1; i < threads; i++)
		pthread_join(others[i], NULL);
	return (double)(now_ns() - start) / (double)(work->count * threads);
}

int main(int argc, char **argv)
{
	struct work work = { .count = argc > 2 ? strtoul(argv[2], NULL, 0) : 0 };
	pthread_t other;

	for (size_t i = 0; argc > 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[1], kinds[i].name))
			work.pair = kinds[i].pair;
	if (!work.pair || work.count < SLICES)
		errx(2, "locks KIND COUNT [THREADS]");
	pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
	sem_init(&semaphore, 0, 1);
	sem_init(&ending, 0, 0);
	if (pthread_create(&other, NULL, idle, NULL))
		errx(1, "pthread_create");
	printf("%.2f\n", argc > 3 ? measure(&work, (unsigned)strtoul(argv[3], NULL, 0))
				  : measure_alone(&work));
	sem_post(&ending);
	pthread_join(other, NULL);
	return 0;
}
