/*
 * What the shim costs where it stands most often: pairs malloc COUNT, pairs lock COUNT [DEPTH],
 * pairs wait COUNT [DEPTH] (the same with requests that would wait), pairs nested COUNT [DEPTH] (those, while
 * another lock is held: an order of locks to record), or pairs rand COUNT and pairs fileno COUNT for single calls of functions that are unsafe in handlers.
 * Prints nanoseconds per pair. The pairs of locks are taken under DEPTH frames (20), as in a
 * program; ten different places, so that no single stack is all there is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double run_malloc(unsigned long count)
{
	void *volatile kept;
	uint64_t start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		kept = malloc(64 + i % 8 * 16);
		free(kept);
	}
	return (double)(now_ns() - start) / (double)count;
}

static int command = F_SETLK;

static void lock_pair(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 100 };

	if (fcntl(fd, command, &lock))
		err(1, "F_SETLK");
	lock.l_type = F_UNLCK;
	if (fcntl(fd, F_SETLK, &lock))
		err(1, "F_UNLCK");
}

/* Not a tail call, whatever the optimiser thinks: the frames are the point. */
__attribute__((noinline)) static unsigned descend(int fd, unsigned depth)
{
	if (depth == 0) {
		lock_pair(fd);
		return 0;
	}
	unsigned below = descend(fd, depth - 1);
	__asm__ volatile("" : "+r"(below));
	return below + 1;
}

static double run_lock(unsigned long count, unsigned depth, int is_nested)
{
	struct flock outer = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1000, .l_len = 1 };
	char name[] = "pairs-XXXXXX";
	int fd = mkstemp(name);
	uint64_t start;

	if (fd < 0)
		err(1, "%s", name);
	if (is_nested && fcntl(fd, F_SETLK, &outer))
		err(1, "F_SETLK");
	descend(fd, depth);
	start = now_ns();
	for (unsigned long i = 0; i < count; i++)
		descend(fd, depth - (unsigned)(i % 10));
	return (double)(now_ns() - start) / (double)count;
}

#define SLICE 20000 /* calls: shorter than the time that the scheduler gives */

static uint64_t run_slice(int is_rand)
{
	volatile int kept;
	uint64_t start = now_ns();

	if (is_rand) {
		for (int i = 0; i < SLICE; i++)
			kept = rand();
	} else {
		for (int i = 0; i < SLICE; i++)
			kept = fileno(stdout);
	}
	(void)kept;
	return now_ns() - start;
}

/*
 * Functions that do next to nothing: what a thunk adds is what is seen. So little is lost in what else
 * the machine does; hence the best slice, which nothing interrupted.
 */
static double run_calls(unsigned long count, int is_rand)
{
	uint64_t best = UINT64_MAX;

	for (unsigned long done = 0; done < count; done += SLICE) {
		uint64_t ns = run_slice(is_rand);
		best = ns < best ? ns : best;
	}
	return (double)best / SLICE;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: pairs malloc|lock|wait|nested|rand|fileno COUNT [DEPTH]");
	unsigned long count = strtoul(argv[2], NULL, 10);
	unsigned depth = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 20;
	int is_nested = strcmp(argv[1], "nested") == 0, is_waiting = strcmp(argv[1], "wait") == 0;

	if (is_nested || is_waiting)
		command = F_SETLKW;
	double ns = strcmp(argv[1], "malloc") == 0 ? run_malloc(count)
		    : strcmp(argv[1], "lock") == 0 || is_nested || is_waiting
			    ? run_lock(count, depth, is_nested)
			    : run_calls(count, strcmp(argv[1], "rand") == 0);

	printf("%.2f\n", ns);
	return 0;
}
