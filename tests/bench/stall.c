/*
 * A program that knows how long it stood still: stall RESULTS THREADS FRAMES WAITERS.
 *
 * Its main thread holds the lock of the file `index` and reads the clock in a loop, below FRAMES
 * frames of stall_frame(). The other threads are blocked below as many; so are WAITERS processes that
 * wait for the lock. Says `ready` when all are where they shall stay, ends with its parent.
 *
 * A gap between two readings is a stop (by ptrace or a signal) if the thread gave its processor up
 * voluntarily meanwhile, which this loop never does by itself; else the thread only lost its processor.
 * The time for which it was runnable again but had to wait for a processor is the machine's, and not
 * counted as stopped.
 * RESULTS is a file of struct results that is shared with the reader.
 */
#include "tests/victims/victim.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define LONG_NS 3000 /* an interrupt takes less, a stop more */

/* All of the time since the reader last raised `wanted`; true once `done` has the same number. */
struct results {
	_Atomic uint64_t wanted, done;
	uint64_t stopped_ns, stops;
	uint64_t longest_ns; /* stopped or not */
	uint64_t short_ns, short_count; /* gaps of less than LONG_NS */
};

static struct results *results;
static int told[2];
static int depth;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* What the kernel has counted of this thread. */
struct scheduled {
	uint64_t given_up; /* times it gave its processor up */
	uint64_t queued_ns; /* in all, runnable without a processor */
};

static struct scheduled scheduled_now(void)
{
	static int fd = -1;
	char text[128] = "";
	struct rusage usage;
	struct scheduled now = { 0 };

	if (fd < 0) /* not every kernel counts it */
		fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && pread(fd, text, sizeof(text) - 1, 0) > 0)
		sscanf(text, "%*u %" SCNu64, &now.queued_ns);
	getrusage(RUSAGE_THREAD, &usage);
	now.given_up = (uint64_t)usage.ru_nvcsw;
	return now;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void publish(struct results *found)
{
	uint64_t wanted = atomic_load(&results->wanted);

	found->wanted = found->done = 0;
	memcpy(&results->stopped_ns, &found->stopped_ns,
	       sizeof(*found) - offsetof(struct results, stopped_ns));
	*found = (struct results){ 0 };
	atomic_store(&results->done, wanted);
}

/* What follows a long gap counts for the next one, so that no time is lost between them. */
static void note_long(struct results *found, uint64_t gap, struct scheduled *last)
{
	struct scheduled before = *last;

	*last = scheduled_now();
	found->longest_ns = larger(found->longest_ns, gap);
	if (last->given_up == before.given_up)
		return;
	uint64_t queued = last->queued_ns - before.queued_ns;
	found->stopped_ns += gap > queued ? gap - queued : 0;
	found->stops += last->given_up - before.given_up;
}

static void read_clock(void)
{
	struct results found = { 0 };
	struct scheduled scheduled = scheduled_now();
	uint64_t last = now_ns();

	for (;;) {
		uint64_t now = now_ns();
		uint64_t gap = now - last;

		last = now;
		if (gap < LONG_NS) {
			found.short_ns += gap;
			found.short_count++;
		} else {
			note_long(&found, gap, &scheduled);
		}
		if (atomic_load_explicit(&results->wanted, memory_order_relaxed) != results->done)
			publish(&found);
	}
}

static void say_there(void)
{
	victim_must((int)write(told[1], "", 1), "write");
}

static void stay(void)
{
	say_there();
	for (;;)
		pause();
}

static void wait_for_lock(void)
{
	int fd = open("index", O_RDWR);

	victim_must(fd, "index");
	say_there();
	victim_must(victim_fcntl(fd, F_SETLKW, F_WRLCK, 0, 0), "F_SETLKW");
	_exit(0);
}

/* Not a tail call, and of the size of an ordinary frame. */
__attribute__((noinline)) static unsigned stall_frame(void (*end)(void), int below)
{
	char room[64];

	__asm__ volatile("" : : "r"(room) : "memory");
	if (below <= 1) {
		end();
		return 0;
	}
	unsigned sum = stall_frame(end, below - 1);
	__asm__ volatile("" : "+r"(sum) : "r"(room) : "memory");
	return sum + 1;
}

static void *thread(void *unused)
{
	(void)unused;
	stall_frame(stay, depth);
	return NULL;
}

static void start_waiter(pid_t parent)
{
	pid_t child = fork();

	victim_must(child, "fork");
	if (child == 0) {
		victim_die_with(parent);
		stall_frame(wait_for_lock, depth);
	}
	victim_say_pid("waiter", child);
	victim_await_blocked(child, SYS_fcntl);
}

static void *map(const char *path)
{
	int fd = open(path, O_RDWR);

	victim_must(fd, path);
	void *address = mmap(NULL, sizeof(struct results), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (address == MAP_FAILED)
		err(99, "%s", path);
	close(fd);
	return address;
}

int main(int argc, char **argv)
{
	pthread_t id;
	char byte;

	if (argc != 5)
		errx(2, "usage: stall RESULTS THREADS FRAMES WAITERS");
	victim_watchdog();
	results = map(argv[1]);
	depth = atoi(argv[3]);
	victim_must(pipe(told), "pipe");
	victim_must(victim_fcntl(victim_open("index"), F_SETLK, F_WRLCK, 0, 0), "index");
	for (int i = atoi(argv[4]); i > 0; i--) {
		start_waiter(getpid());
		victim_must((int)read(told[0], &byte, 1), "read");
	}
	for (int i = atoi(argv[2]); i > 1; i--) {
		victim_must(pthread_create(&id, NULL, thread, NULL), "pthread_create");
		victim_must((int)read(told[0], &byte, 1), "read");
	}
	victim_die_with(getppid());
	victim_say("ready");
	stall_frame(read_clock, depth);
	return 0;
}
