/*
 * Scenario: threads that lock and unlock at random, each on a file of its own, while handlers that
 * interrupt them do the same on another: crowd [REQUESTS]. No two ever touch the same lock.
 * Expect: when all is done, each file's record is what the kernel says, whoever was interrupted in it.
 */
#include "handler.h"

#include <pthread.h>

#define THREADS 4

static _Thread_local int own[2], handlers; /* two descriptions of the thread's file, one of its handlers' */
static _Thread_local uint64_t state, handler_state;
static int requests = 20000;
static pthread_barrier_t started;

static uint64_t draw(uint64_t *from, uint64_t below)
{
	*from ^= *from << 13;
	*from ^= *from >> 7;
	*from ^= *from << 17;
	return *from % below;
}

static void lock_something(int fd, uint64_t *from)
{
	static const int commands[] = { F_SETLK, F_SETLK, F_OFD_SETLK };
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };

	if (draw(from, 4) == 0)
		flock(fd, (draw(from, 2) ? LOCK_EX : LOCK_UN) | LOCK_NB);
	else
		victim_fcntl(fd, commands[draw(from, 3)], types[draw(from, 3)],
			     (off_t)draw(from, 50), (off_t)draw(from, 20));
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)signo, (void)info, (void)context;
	for (int i = 0; i < 3; i++)
		lock_something(handlers, &handler_state);
	errno = saved_errno;
}

static void *work(void *number)
{
	char name[32];

	state = 88172645463325252u + (uintptr_t)number;
	handler_state = state + 99;
	snprintf(name, sizeof(name), "own-%d", (int)(uintptr_t)number);
	own[0] = victim_open(name);
	own[1] = victim_open(name);
	snprintf(name, sizeof(name), "handlers-%d", (int)(uintptr_t)number);
	handlers = victim_open(name);
	pthread_barrier_wait(&started);
	for (int i = 0; i < requests; i++)
		lock_something(own[draw(&state, 2)], &state);
	pthread_barrier_wait(&started); /* the signals end before the threads */
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	victim_watchdog();
	if (argc > 1)
		requests = atoi(argv[1]);
	victim_handle(SIGUSR1, on_signal, SA_RESTART);
	pthread_barrier_init(&started, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	pthread_barrier_wait(&started);
	for (int i = 0; i < 1000; i++) {
		pthread_kill(threads[i % THREADS], SIGUSR1);
		usleep(100);
	}
	pthread_barrier_wait(&started);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	victim_ready();
	return 0;
}
