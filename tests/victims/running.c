/*
 * Scenario: N threads compute for ever, or (running N asleep) wait in pause(); the main thread
 * waits for the end of its standard input. Expect: the stacks of those that run are had by stopping
 * each for a moment, all others without.
 */
#include "victim.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_bool has_ended;
static atomic_int running;

static __attribute__((noinline)) void run(unsigned *state)
{
	running++;
	while (!has_ended)
		*state = *state * 1664525 + 1013904223;
}

static __attribute__((noreturn)) void *fall_asleep(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "asleep");
	running++;
	for (;;)
		pause();
}

static void *begin(void *arg)
{
	unsigned state = (unsigned)(size_t)arg;
	char name[16];

	snprintf(name, sizeof(name), "runner %u", state % 100);
	pthread_setname_np(pthread_self(), name);
	run(&state);
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t *threads = calloc(count, sizeof(*threads));

	victim_watchdog();
	for (int i = 0; threads && i < count; i++)
		if (pthread_create(&threads[i], NULL, argc > 2 ? fall_asleep : begin,
				   (void *)(size_t)i))
			errx(99, "pthread_create");
	while (running < count)
		victim_pause();
	victim_ready();
	if (argc > 2)
		return 0;
	has_ended = true;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return 0;
}
