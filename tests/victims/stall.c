/*
 * Scenario: a thread reads the clock for ever, below N frames on the stack. Its main thread waits
 * for the end of standard input. Expect: `stall NS` for each time that it stood still because
 * somebody stopped it; where it also had to wait for a processor, `crowded NS`.
 *
 * It never gives up the processor by itself: a gap in which its count of voluntary switches has
 * grown is a stop, all others are interrupts and preemption.
 */
#include "victim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>

#define GAP_NS 2000
#define STALLS_MAX 100000

static struct {
	uint64_t ns;
	bool is_crowded;
} stalls[STALLS_MAX];
static int count;
static atomic_bool has_begun, has_ended;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static void look(uint64_t gap, struct rusage *before)
{
	struct rusage after;

	getrusage(RUSAGE_THREAD, &after);
	if (after.ru_nvcsw != before->ru_nvcsw && count < STALLS_MAX) {
		stalls[count].is_crowded = after.ru_nivcsw != before->ru_nivcsw;
		stalls[count++].ns = gap;
	}
	*before = after;
}

static __attribute__((noinline)) void read_clock(void)
{
	struct rusage usage;
	uint64_t last;

	getrusage(RUSAGE_THREAD, &usage);
	last = now_ns();
	has_begun = true;
	while (!has_ended) {
		uint64_t now = now_ns();

		if (now - last > GAP_NS) {
			look(now - last, &usage);
			now = now_ns();
		}
		last = now;
	}
}

static __attribute__((noinline)) int descend(int depth)
{
	volatile char room[64] = {0};

	if (depth > 0)
		return descend(depth - 1) + room[0];
	read_clock();
	return room[1];
}

static void *begin(void *arg)
{
	descend((int)(intptr_t)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_attr_t attributes;
	pthread_t thread;

	victim_watchdog();
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 20);
	if (pthread_create(&thread, &attributes, begin,
			   (void *)(intptr_t)(argc > 1 ? atoi(argv[1]) : 20)))
		errx(99, "pthread_create");
	while (!has_begun)
		victim_pause();
	victim_ready();
	has_ended = true;
	pthread_join(thread, NULL);
	for (int i = 0; i < count; i++)
		printf("%s %llu\n", stalls[i].is_crowded ? "crowded" : "stall",
		       (unsigned long long)stalls[i].ns);
	return 0;
}
