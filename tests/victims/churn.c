/*
 * Scenario: threads that end after a moment, children made by vfork, and every now and then an exec
 * of itself by the main thread or by another one: ROUNDS times in all. Expect: it comes to its end,
 * whoever looks at its threads meanwhile.
 */
#include "victim.h"

#include <pthread.h>
#include <spawn.h>

#define THREADS 4
#define BATCHES 20 /* of threads before an exec */

static char **arguments;

static void *compute(void *arg)
{
	volatile unsigned state = 1;

	(void)arg;
	for (int i = 0; i < 200000; i++)
		state = state * 1664525 + 1013904223;
	return NULL;
}

/* With vfork(), as glibc has it. */
static void spawn(void)
{
	char *argv[] = {"true", NULL}, *envp[] = {NULL};
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, envp) ||
	    waitpid(pid, &status, 0) != pid || status)
		errx(99, "spawn");
}

static void *exec_again(void *arg)
{
	execv("/proc/self/exe", arguments);
	err(99, "exec %s", (char *)arg);
}

static void run_batch(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, compute, NULL))
			errx(99, "pthread_create");
	spawn();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;
	char next[16];
	pthread_t other;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	victim_watchdog();
	if (argc < 3)
		victim_say("ready");
	for (int i = 0; i < BATCHES; i++)
		run_batch();
	if (rounds <= 1) {
		victim_say("done");
		return 0;
	}
	snprintf(next, sizeof(next), "%d", rounds - 1);
	arguments = (char *[]){argv[0], next, "again", NULL};
	if (rounds % 2)
		exec_again("main");
	else if (pthread_create(&other, NULL, exec_again, "other"))
		errx(99, "pthread_create");
	for (;;)
		pause();
}
