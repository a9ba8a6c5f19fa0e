/*
 * Scenario: the main thread has ended; of two others one computes, one waits for the end of
 * standard input. Expect: to the kernel the process is a zombie, but it lives: its threads are
 * shown.
 */
#include "victim.h"

#include <pthread.h>

static __attribute__((noreturn)) void *compute(void *arg)
{
	volatile unsigned state = 1;

	(void)arg;
	for (;;)
		state = state * 1664525 + 1013904223;
}

static bool is_alone(void)
{
	char text[1024], *name_end;

	victim_read_proc(text, sizeof(text), getpid(), "stat");
	name_end = strrchr(text, ')');
	return name_end && name_end[2] == 'Z';
}

static void *wait_for_end(void *arg)
{
	(void)arg;
	while (!is_alone())
		victim_pause();
	victim_ready();
	_exit(0);
}

int main(void)
{
	pthread_t thread;

	victim_watchdog();
	if (pthread_create(&thread, NULL, compute, NULL) ||
	    pthread_create(&thread, NULL, wait_for_end, NULL))
		errx(99, "pthread_create");
	pthread_exit(NULL);
}
