/*
 * Scenario: deliveries COUNT [THREADS [innocent]]. COUNT queued signals of each of two numbers (real-time
 * ones: none is merged with another) arrive while threads allocate, lock files and mutexes, and print. The
 * handlers nest; each calls one function that is unsafe there, at one place, and does no harm here.
 * Expect: every delivery is counted once; two calls are found, with COUNT each. Nothing if innocent.
 */
#include "tests/victims/handler.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define THREADS 16
#define AHEAD 32

/* Shared with the sender, who keeps only a few ahead: else all would be handled at one place. */
static _Atomic unsigned long *handled;
static unsigned long wanted;
static bool is_innocent;
static pid_t receiver;
static int lock_fd; /* one for all: a close() in one thread would drop the others' locks */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_first(int signo)
{
	(void)signo;
	if (!is_innocent)
		(void)rand();
	atomic_fetch_add(&handled[0], 1);
}

static void on_second(int signo)
{
	char words[] = "a b";

	(void)signo;
	if (!is_innocent)
		(void)strtok(words, " ");
	atomic_fetch_add(&handled[1], 1);
}

/* The user's queue is bounded, and may be full of others' signals. */
static void send_one(int which, unsigned long number)
{
	while (number >= atomic_load(&handled[which]) + AHEAD)
		sched_yield();
	while (sigqueue(receiver, SIGRTMIN + which, (union sigval){0}) < 0) {
		if (errno != EAGAIN)
			_exit(1);
		sched_yield();
	}
}

static void send_signals(void)
{
	for (unsigned long i = 0; i < wanted; i++) {
		send_one(0, i);
		send_one(1, i);
	}
}

#ifdef IS_CXX
void work_in_cxx(unsigned n); /* deliveries-work.cc */
#else
#define work_in_cxx(n) ((void)(n))
#endif

/* At `byte` and the nine behind it: a POSIX lock is the process's, whichever thread took it. */
static void work(FILE *out, off_t byte, unsigned n)
{
	void *volatile memory = malloc(16 + n % 3000);

	victim_fcntl(lock_fd, F_SETLKW, n % 2 ? F_RDLCK : F_WRLCK, byte + n % 10, 1);
	pthread_mutex_lock(&mutex);
	fprintf(out, "%u %p\n", n, memory);
	pthread_mutex_unlock(&mutex);
	victim_fcntl(lock_fd, F_SETLKW, F_UNLCK, byte + n % 10, 1);
	free(memory);
	work_in_cxx(n);
}

static bool is_over(void)
{
	return atomic_load(&handled[0]) >= wanted && atomic_load(&handled[1]) >= wanted;
}

static void *work_on(void *unused)
{
	static _Atomic unsigned workers;
	off_t byte = atomic_fetch_add(&workers, 1) * 10;
	FILE *out = fopen("/dev/null", "we");

	if (!out)
		err(99, "/dev/null");
	for (unsigned n = 0; !is_over(); n++)
		work(out, byte, n);
	fclose(out);
	return unused;
}

int main(int argc, char **argv)
{
	unsigned threads = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	pthread_t others[THREADS];

	wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	is_innocent = argc > 3;
	receiver = getpid();
	handled = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	victim_must(handled == MAP_FAILED ? -1 : 0, "mmap");
	victim_watchdog();
	victim_must(threads > THREADS ? -1 : 0, "so many threads");
	lock_fd = victim_open("deliveries.lock");
	signal(SIGRTMIN, on_first);
	signal(SIGRTMIN + 1, on_second);
	victim_fork(send_signals);
	for (unsigned i = 0; i < threads; i++)
		pthread_create(&others[i], NULL, work_on, NULL);
	work_on(NULL);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(others[i], NULL);
	victim_ready();
	return 0;
}
