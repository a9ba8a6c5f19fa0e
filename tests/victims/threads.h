/* What the victims with locks of threads share: threads that are proven to sleep in a futex. */
#ifndef LOCKJAM_THREADS_H
#define LOCKJAM_THREADS_H

#include "victim.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static inline void threads_must(int error, const char *what)
{
	if (error) {
		errno = error;
		err(99, "%s", what);
	}
}

/* The tid that a thread writes when it has begun. */
typedef _Atomic pid_t thread_id;

static inline pid_t threads_await_begun(thread_id *tid)
{
	while (!*tid)
		victim_pause();
	return *tid;
}

static inline void threads_begin(thread_id *tid, void *(*body)(void *), void *argument)
{
	pthread_t thread;

	threads_must(pthread_create(&thread, NULL, body, argument), "pthread_create");
	threads_must(pthread_detach(thread), "pthread_detach");
	threads_await_begun(tid);
}

/* Until the thread sleeps in futex(). */
static inline void threads_await_stuck(thread_id *tid)
{
	victim_await_blocked(threads_await_begun(tid), SYS_futex);
}

/* A meeting of two, by which both have what they took before either asks for more. */
static inline void threads_meet(_Atomic int *arrived, int count)
{
	++*arrived;
	while (*arrived < count)
		victim_pause();
}

#endif
