/*
 * What the shim costs where it stands most often: pairs malloc COUNT, or pairs lock COUNT [DEPTH].
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

static void lock_pair(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 100 };

	if (fcntl(fd, F_SETLK, &lock))
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

static double run_lock(unsigned long count, unsigned depth)
{
	char name[] = "pairs-XXXXXX";
	int fd = mkstemp(name);
	uint64_t start;

	if (fd < 0)
		err(1, "%s", name);
	descend(fd, depth);
	start = now_ns();
	for (unsigned long i = 0; i < count; i++)
		descend(fd, depth - (unsigned)(i % 10));
	return (double)(now_ns() - start) / (double)count;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: pairs malloc|lock COUNT [DEPTH]");
	unsigned long count = strtoul(argv[2], NULL, 10);
	unsigned depth = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 20;
	double ns = strcmp(argv[1], "malloc") == 0 ? run_malloc(count) : run_lock(count, depth);

	printf("%.1f\n", ns);
	return 0;
}
