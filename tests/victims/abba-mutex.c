/*
 * Scenario: two threads of one process, two mutexes: each has one and waits for the other's.
 * Expect: both holds and both waits, each with its thread; a deadlock. With the argument "ordered" both
 * take them in one order, so that the second waits for the first, which reads its input: no deadlock.
 */
#include "threads.h"

static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int pad[4];
	pthread_mutex_t lock;
} index_table = { .lock = PTHREAD_MUTEX_INITIALIZER };
static thread_id first, second;
static _Atomic int arrived;
static bool is_ordered;

__attribute__((noinline)) static void take(pthread_mutex_t *mutex)
{
	threads_must(pthread_mutex_lock(mutex), "pthread_mutex_lock");
	__asm__ volatile("");
}

static void *forwards(void *unused)
{
	take(&cache_lock);
	first = gettid();
	if (is_ordered) {
		take(&index_table.lock);
		victim_await_end();
		return unused;
	}
	threads_meet(&arrived, 2);
	take(&index_table.lock);
	return unused;
}

static void *backwards(void *unused)
{
	if (is_ordered) {
		second = gettid();
		take(&cache_lock);
		return unused;
	}
	take(&index_table.lock);
	second = gettid();
	threads_meet(&arrived, 2);
	take(&cache_lock);
	return unused;
}

int main(int argc, char **argv)
{
	is_ordered = argc > 1 && !strcmp(argv[1], "ordered");
	victim_watchdog();
	threads_begin(&first, forwards, NULL);
	threads_begin(&second, backwards, NULL);
	if (!is_ordered)
		threads_await_stuck(&first);
	threads_await_stuck(&second);
	victim_say_pid("first", first);
	victim_say_pid("second", second);
	victim_say("ready");
	if (is_ordered)
		pause();
	victim_await_end();
	_exit(0);
}
