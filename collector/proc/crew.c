/* See crew.h. The threads take small portions of the items until none are left. */
#include "config.h"

#include "collector/proc/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#define THREADS_MAX 8
#define PORTION 16
#define WORTH_A_THREAD 64 /* items: fewer are done before a thread has started */

struct crew {
	crew_fn *work;
	void *data;
	uint32_t count;
	_Atomic uint32_t next;
};

static void *take_portions(void *data)
{
	struct crew *c = data;

	for (;;) {
		uint32_t i = atomic_fetch_add(&c->next, PORTION);

		if (i >= c->count)
			return NULL;
		for (uint32_t end = c->count - i < PORTION ? c->count : i + PORTION; i < end; i++)
			c->work(c->data, i);
	}
}

/* How many to have beside the caller. */
static int helpers(uint32_t count)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t worth = count / WORTH_A_THREAD;
	long most = processors < THREADS_MAX ? processors : THREADS_MAX;

	return (worth < most ? (long)worth : most) - 1;
}

void crew_run(crew_fn *work, void *data, uint32_t count)
{
	struct crew c = {.work = work, .data = data, .count = count};
	pthread_t threads[THREADS_MAX];
	int wanted = helpers(count), started = 0;
	sigset_t all, before;

	/* Signals are the caller's business: no helper may run its handlers. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (started < wanted && !pthread_create(&threads[started], NULL, take_portions, &c))
		started++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	take_portions(&c);
	while (started)
		pthread_join(threads[--started], NULL);
}
