/*
 * Scenario: together THREADS [altstack]. So many threads are in the handler of SIGUSR1 at the same time; each
 * then sends itself SIGUSR2, whose handler nests, and all meet again there; each handler calls strtok() once,
 * unsafe and harmless here. With `altstack` each thread has an alternate stack, and SA_ONSTACK uses it.
 * Expect: one finding of each signal, with THREADS as its count, whose stack goes on to where the thread was
 * interrupted; SIGUSR1 nests 1 deep, SIGUSR2 2.
 */
#include "tests/victims/handler.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 64
#define ALT_BYTES (128 * 1024)

static unsigned threads;
static bool is_switched;
static _Atomic unsigned started, inside, nested, left, ended;

/* Nobody goes on before all are there. */
static void meet(_Atomic unsigned *place)
{
	atomic_fetch_add(place, 1);
	while (atomic_load(place) < threads)
		syscall(SYS_sched_yield);
}

static void call_unsafe(void)
{
	char words[] = "a b";

	(void)strtok(words, " ");
}

static void on_second(int signo)
{
	(void)signo;
	meet(&nested);
	call_unsafe();
}

static void on_first(int signo)
{
	(void)signo;
	meet(&inside);
	call_unsafe();
	raise(SIGUSR2);
	atomic_fetch_add(&left, 1); /* no tail call: the frame is looked for */
}

__attribute__((noinline)) static void crunch(void)
{
	for (volatile unsigned i = 0; atomic_load(&ended) == 0; i++)
		;
}

static void *thread_main(void *unused)
{
	stack_t stack = { .ss_size = ALT_BYTES, .ss_sp = is_switched ? malloc(ALT_BYTES) : NULL };

	if (is_switched)
		victim_must(sigaltstack(&stack, NULL), "sigaltstack");
	atomic_fetch_add(&started, 1);
	crunch();
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
	free(stack.ss_sp);
	return unused;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_flags = SA_RESTART };
	pthread_t others[THREADS];

	victim_watchdog();
	threads = argc > 1 ? (unsigned)atoi(argv[1]) : 4;
	is_switched = argc > 2;
	victim_must(threads > THREADS ? -1 : 0, "so many threads");
	action.sa_flags |= is_switched ? SA_ONSTACK : 0;
	action.sa_handler = on_first;
	victim_must(sigaction(SIGUSR1, &action, NULL), "sigaction");
	action.sa_handler = on_second;
	victim_must(sigaction(SIGUSR2, &action, NULL), "sigaction");
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&others[i], NULL, thread_main, NULL))
			errx(99, "pthread_create");
	while (atomic_load(&started) < threads)
		victim_pause();
	for (unsigned i = 0; i < threads; i++)
		if (pthread_kill(others[i], SIGUSR1))
			errx(99, "pthread_kill");
	while (atomic_load(&left) < threads)
		victim_pause();
	atomic_store(&ended, 1);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(others[i], NULL);
	victim_ready();
	return 0;
}
