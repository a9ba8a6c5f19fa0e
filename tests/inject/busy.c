/*
 * Scenario: a dozen threads that do what programs do at the same time: lock files, allocate, fork,
 *	load libraries, start threads, wait for each other in every way, compute, and handle
 *signals. Each checks its own results. Expect: loading the shim into it, and taking it off again,
 *any number of times, changes none. It prints "ready", works until its standard input ends, then
 *prints what it has done and "fine".
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_bool is_over;
static int counter_file; /* holds a number, changed under a lock only */
static atomic_long increments;

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			fail(#what, __LINE__);                                                     \
	} while (0)

static _Noreturn void fail(const char *what, int line)
{
	int error = errno;

	fprintf(stdout, "wrong: %s (line %d, %s)\n", what, line, strerror(error));
	fflush(stdout);
	_exit(1);
}

/* --- locks of files
 * ------------------------------------------------------------------------------- */

static void increment(int fd)
{
	long number = 0;

	CHECK(pread(fd, &number, sizeof(number), 0) >= 0);
	number++;
	CHECK(pwrite(fd, &number, sizeof(number), 0) == sizeof(number));
	atomic_fetch_add(&increments, 1);
}

static const char *path;

static long lock_flock(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	long done = 0;

	for (; !is_over; done++) {
		CHECK(!flock(fd, LOCK_EX));
		increment(fd);
		CHECK(!flock(fd, LOCK_UN));
		usleep(100);
	}
	close(fd);
	return done;
}

/* POSIX locks are the process's: of our threads one takes them, children take them, too. */
static long lock_children(void)
{
	long done = 0;

	for (; !is_over; done++) {
		int status;
		pid_t child = fork();

		CHECK(child >= 0);
		if (!child) {
			struct flock lock = {.l_type = F_WRLCK, .l_start = 100, .l_len = 1};

			CHECK(!fcntl(counter_file, F_SETLKW, &lock));
			free(malloc(1000));
			_exit(7);
		}
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
	return done;
}

static long lock_posix(void)
{
	struct flock lock = {.l_start = 100, .l_len = 1};
	long done = 0;

	for (; !is_over; done++) {
		lock.l_type = F_WRLCK;
		CHECK(!fcntl(counter_file, F_SETLKW, &lock));
		lock.l_type = F_UNLCK;
		CHECK(!fcntl(counter_file, F_SETLK, &lock));
	}
	return done;
}

/* --- memory, libraries, threads
 * ------------------------------------------------------------------- */

static long allocate(void)
{
	enum {
		SLOTS = 64
	};
	unsigned char *slots[SLOTS] = {NULL};
	size_t sizes[SLOTS] = {0};
	unsigned seed = 1;
	long done = 0;

	for (; !is_over; done++) {
		unsigned i = (seed = seed * 1103515245 + 12345) / 65536 % SLOTS;

		for (size_t n = 0; n < sizes[i]; n++)
			CHECK(slots[i][n] == (unsigned char)i);
		free(slots[i]);
		sizes[i] = seed / 1024 % 3000;
		slots[i] = malloc(sizes[i]);
		CHECK(slots[i] || !sizes[i]);
		memset(slots[i], (int)i, sizes[i]);
	}
	for (int i = 0; i < SLOTS; i++)
		free(slots[i]);
	return done;
}

static long load(void)
{
	long done = 0;

	for (; !is_over; done++) {
		void *library = dlopen("libutil.so.1", RTLD_NOW);
		double (*function)(double);

		CHECK(library);
		CHECK(!dlclose(library));
		library = dlopen("libm.so.6", RTLD_NOW);
		CHECK(library);
		function = (double (*)(double))dlsym(library, "sqrt");
		CHECK(function && function(9.0) == 3.0);
		CHECK(!dlclose(library));
	}
	return done;
}

static void *end_at_once(void *argument)
{
	free(malloc(10));
	return argument;
}

static long start_threads(void)
{
	long done = 0;

	for (; !is_over; done++) {
		pthread_t thread;
		void *result;

		CHECK(!pthread_create(&thread, NULL, end_at_once, &done));
		CHECK(!pthread_join(thread, &result) && result == &done);
	}
	return done;
}

/* --- waiting
 * -------------------------------------------------------------------------------------- */

static int there[2], back[2];

static long ping(void)
{
	long done = 0;
	char byte = 0;

	for (; !is_over; done++, byte++) {
		char got;

		CHECK(write(there[1], &byte, 1) == 1);
		CHECK(read(back[0], &got, 1) == 1 && got == byte);
	}
	close(there[1]);
	return done;
}

static long pong(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN}, got;
	long done = 0;
	char byte;

	CHECK(!epoll_ctl(set, EPOLL_CTL_ADD, there[0], &event));
	for (;; done++) {
		CHECK(epoll_wait(set, &got, 1, 60000) == 1);
		if (read(there[0], &byte, 1) != 1)
			break;
		usleep(50);
		CHECK(write(back[1], &byte, 1) == 1);
	}
	close(set);
	return done;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long turns;

static long take_turns(long mine)
{
	long done = 0;

	pthread_mutex_lock(&mutex);
	for (; !is_over; done++) {
		while (turns % 2 != mine && !is_over)
			CHECK(!pthread_cond_wait(&condition, &mutex));
		turns++;
		CHECK(!pthread_cond_broadcast(&condition));
	}
	CHECK(!pthread_cond_broadcast(&condition));
	pthread_mutex_unlock(&mutex);
	return done;
}

static long take_even(void)
{
	return take_turns(0);
}

static long take_odd(void)
{
	return take_turns(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* None may end early. */
static long sleep_often(void)
{
	long done = 0;

	for (; !is_over; done++) {
		struct timespec limit = {.tv_nsec = 3000000};
		uint64_t begin = now_ns();

		if (done % 3 == 0)
			CHECK(!nanosleep(&limit, NULL));
		else if (done % 3 == 1)
			CHECK(!poll(NULL, 0, 3));
		else
			CHECK(!select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 3000}));
		CHECK(now_ns() - begin >= 3000000);
	}
	return done;
}

/* --- computing: registers of all kinds
 * ------------------------------------------------------------- */

static long compute(void)
{
	enum {
		SIZE = 512
	};
	double first = 0;
	long done = 0;

	for (; !is_over; done++) {
		double values[SIZE], sum = 0;
		uint64_t hash = UINT64_C(1469598103934665603);

		for (int i = 0; i < SIZE; i++)
			values[i] = i * 1.25 + 0.5;
		for (int k = 0; k < 20; k++)
			for (int i = 0; i < SIZE; i++)
				values[i] = values[i] * 0.999 + 0.25;
		for (int i = 0; i < SIZE; i++)
			sum += values[i];
		for (int i = 0; i < 4000; i++)
			hash = (hash ^ (uint64_t)i) * UINT64_C(1099511628211);
		long double precise = 1.0L;

		for (int i = 1; i < 200; i++)
			precise += 1.0L / i / i;
		if (!done)
			first = sum + (double)precise + (double)(hash >> 40);
		CHECK(sum + (double)precise + (double)(hash >> 40) == first);
	}
	return done;
}

/* --- signals
 * --------------------------------------------------------------------------------------- */

static atomic_long ticks, asked, answered;
static pthread_t waiter;

static void on_tick(int signo)
{
	int saved = errno;

	(void)signo;
	ticks++;
	errno = saved;
}

/* Waits for each signal of the other, atomically: none may be lost. */
static long answer(void)
{
	sigset_t usr1;
	long done = 0;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	for (; !is_over; done++) {
		CHECK(sigwaitinfo(&usr1, NULL) == SIGUSR1);
		answered++;
	}
	return done;
}

static long ask(void)
{
	long done = 0;

	while (!waiter)
		usleep(100);
	for (; !is_over; done++) {
		long before = answered;
		uint64_t begin = now_ns();

		asked++;
		CHECK(!pthread_kill(waiter, SIGUSR1));
		while (answered == before) {
			CHECK(now_ns() - begin < UINT64_C(30000000000));
			sched_yield();
		}
	}
	CHECK(!pthread_kill(waiter, SIGUSR1));
	return done;
}

/* --- all of it
 * ------------------------------------------------------------------------------------- */

static struct worker {
	const char *name;
	long (*work)(void);
	long done;
	pthread_t thread;
} workers[] = {
	{.name = "flock", .work = lock_flock},
	{.name = "flock2", .work = lock_flock},
	{.name = "posix", .work = lock_posix},
	{.name = "children", .work = lock_children},
	{.name = "allocations", .work = allocate},
	{.name = "loads", .work = load},
	{.name = "threads", .work = start_threads},
	{.name = "pings", .work = ping},
	{.name = "pongs", .work = pong},
	{.name = "even", .work = take_even},
	{.name = "odd", .work = take_odd},
	{.name = "sleeps", .work = sleep_often},
	{.name = "computations", .work = compute},
	{.name = "answers", .work = answer},
	{.name = "questions", .work = ask},
};
#define WORKERS (sizeof(workers) / sizeof(workers[0]))

static void *work(void *argument)
{
	struct worker *w = argument;

	if (w->work == answer)
		waiter = pthread_self();
	w->done = w->work();
	return NULL;
}

static void start(void)
{
	sigset_t all;

	/* Ticks come to the main thread alone, so that all others must never see an EINTR. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (size_t i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	sigemptyset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* sigsuspend() until standard input ends: each return is a tick's. */
static void tick(void)
{
	struct sigaction action = {.sa_handler = on_tick};
	struct itimerval interval = {{0, 2000}, {0, 2000}};
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	sigset_t alarm_only, before;

	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm_only, &before);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
	while (poll(&input, 1, 0) == 0) {
		long seen = ticks;

		CHECK(sigsuspend(&before) == -1 && errno == EINTR);
		CHECK(ticks > seen);
	}
	interval = (struct itimerval){0};
	setitimer(ITIMER_REAL, &interval, NULL);
}

int main(int argc, char **argv)
{
	long number = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	path = argc > 1 ? argv[1] : "counter";
	counter_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(counter_file >= 0 && !pipe(there) && !pipe(back));
	start();
	puts("ready");
	fflush(stdout);
	tick();
	is_over = true;
	pthread_mutex_lock(&mutex);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	CHECK(pread(counter_file, &number, sizeof(number), 0) == sizeof(number));
	CHECK(number == increments);
	for (size_t i = 0; i < WORKERS; i++)
		printf("%s %ld\n", workers[i].name, workers[i].done);
	printf("ticks %ld\nfine\n", ticks);
	return 0;
}
