/*
 * Scenario: N threads compute. The main thread sends each of them real-time signals, as many as are
 * told on standard input, and waits until they have run their handlers. Expect: `counted K`:
 * exactly as many as were sent, whoever stops the threads meanwhile.
 */
#include "victim.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 3

static atomic_bool has_ended;
static atomic_int running;
static atomic_long counted;

static void count(int signo)
{
	(void)signo;
	counted++;
}

static void *compute(void *arg)
{
	volatile unsigned state = 1;

	(void)arg;
	running++;
	while (!has_ended)
		state = state * 1664525 + 1013904223;
	return NULL;
}

static void send(pthread_t *threads, long rounds)
{
	for (long i = 0; i < rounds; i++) {
		for (int t = 0; t < THREADS; t++)
			while (pthread_kill(threads[t], SIGRTMIN))
				sched_yield(); /* the user's queue is full */
		if (i % 8 == 7)                /* not always together */
			while (counted < (i + 1) * THREADS)
				sched_yield();
	}
	while (counted < rounds * THREADS)
		sched_yield();
}

int main(void)
{
	struct sigaction action = {.sa_handler = count};
	pthread_t threads[THREADS];
	char line[32];

	victim_watchdog();
	sigaction(SIGRTMIN, &action, NULL);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, compute, NULL))
			errx(99, "pthread_create");
	while (running < THREADS)
		victim_pause();
	victim_say("ready");
	while (fgets(line, sizeof(line), stdin)) {
		counted = 0;
		send(threads, atol(line));
		victim_pause(); /* one too many would come now */
		printf("counted %ld\n", counted);
		fflush(stdout);
	}
	has_ended = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
