/*
 * A program with an allocator of its own choice (linked with jemalloc, tcmalloc or none): threads
 * that allocate, locks, a handler that allocates while nothing of the allocator was interrupted,
 * and fork. What it prints must not depend on the shim.
 */
#include "tests/victims/handler.h"

#include <malloc.h>
#include <pthread.h>

#define ROUNDS 20000

static volatile sig_atomic_t is_done;
static void *volatile kept;

static void *allocate(void *argument)
{
	unsigned long sum = (unsigned long)argument;
	char *blocks[64] = { NULL };

	for (unsigned i = 0; i < ROUNDS; i++) {
		char **block = &blocks[i % 64];
		*block = realloc(*block, 1 + (i * 7919) % 5000);
		(*block)[0] = (char)i;
		sum += (unsigned char)(*block)[0];
		if (i % 5 == 0) {
			free(*block);
			*block = NULL;
		}
	}
	for (unsigned i = 0; i < 64; i++)
		free(blocks[i]);
	return (void *)sum;
}

static void on_usr1(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)info, (void)context;
	kept = calloc(1, 100);
	free(kept);
	is_done = 1;
}

static void run_threads(void)
{
	pthread_t threads[4];
	unsigned long sum = 0;

	for (unsigned long i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, allocate, (void *)i))
			errx(99, "pthread_create");
	for (unsigned i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		sum += (unsigned long)result;
	}
	dprintf(STDOUT_FILENO, "sum %lu\n", sum);
}

int main(void)
{
	void *aligned = NULL;

	victim_watchdog();
	run_threads();
	dprintf(STDOUT_FILENO, "aligned %d\n", posix_memalign(&aligned, 4096, 10000));
	dprintf(STDOUT_FILENO, "usable %d\n", malloc_usable_size(aligned) >= 10000);
	free(aligned);
	victim_must(victim_fcntl(victim_open("lock"), F_SETLK, F_WRLCK, 0, 0), "F_SETLK");
	victim_handle(SIGUSR1, on_usr1, 0);
	raise(SIGUSR1);
	pid_t child = victim_fork(run_threads);
	waitpid(child, NULL, 0);
	victim_ready();
	return 0;
}
