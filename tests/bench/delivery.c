/*
 * What a delivered signal costs: delivery WAY CALL COUNT. WAY says how signals come: raise, kill (to oneself), or
 * timer (every 100 us while the program computes); CALL what the handler calls: nothing, strtok (unsafe, and next to nothing
 * itself) or malloc (with free). Prints nanoseconds per signal, of the best slice of many, which nothing else interrupted; of a
 * timer's, what the computation took longer for each.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_US 100
#define SLICE 100 /* signals */
#define ROUNDS 50000 /* of a computation: about a period */

static volatile sig_atomic_t handled;
static void *volatile kept;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void on_signal(int signo)
{
	(void)signo;
	handled = handled + 1;
}

static void on_signal_strtok(int signo)
{
	char words[] = "a b";

	(void)signo;
	kept = strtok(words, " ");
	handled = handled + 1;
}

static void on_signal_malloc(int signo)
{
	int saved_errno = errno;

	(void)signo;
	kept = malloc(100);
	free(kept);
	handled = handled + 1;
	errno = saved_errno;
}

static uint64_t raise_slice(unsigned long count, int by_kill)
{
	pid_t self = getpid();
	uint64_t start = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		if (by_kill)
			kill(self, SIGUSR1);
		else
			raise(SIGUSR1);
	}
	return now_ns() - start;
}

static double run_raise(unsigned long count, int by_kill)
{
	unsigned long slice = count < SLICE ? count : SLICE;
	uint64_t best = UINT64_MAX;

	for (unsigned long done = 0; done < count; done += slice) {
		uint64_t ns = raise_slice(slice, by_kill);
		best = ns < best ? ns : best;
	}
	return (double)best / (double)slice;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Without a call: nothing is interrupted but the program's own code. */
static uint64_t compute(unsigned long rounds)
{
	uint64_t start = cpu_ns();
	volatile unsigned long x = 1;

	for (unsigned long i = 0; i < rounds; i++)
		x = x * 3 + i;
	return cpu_ns() - start;
}

static void set_timer(suseconds_t usec)
{
	struct itimerval when = { { 0, usec }, { 0, usec } };

	if (setitimer(ITIMER_REAL, &when, NULL))
		err(1, "setitimer");
}

/* The best slices, one with and one without in turn; time on the processor. */
static double run_timer(unsigned long count)
{
	uint64_t without = UINT64_MAX;
	double best = 1e9;

	for (unsigned long done = 0; done < count; done += SLICE) {
		uint64_t ns = compute(SLICE * ROUNDS);
		without = ns < without ? ns : without;
		handled = 0;
		set_timer(PERIOD_US);
		ns = compute(SLICE * ROUNDS);
		set_timer(0);
		double each = ((double)ns - (double)without) / (double)(handled ? handled : 1);
		best = each > 0 && each < best ? each : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_flags = SA_RESTART };

	if (argc != 4)
		errx(2, "usage: delivery raise|kill|timer nothing|strtok|malloc COUNT");
	unsigned long count = strtoul(argv[3], NULL, 10);

	action.sa_handler = strcmp(argv[2], "strtok") == 0   ? on_signal_strtok
			    : strcmp(argv[2], "malloc") == 0 ? on_signal_malloc
							     : on_signal;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	double ns = strcmp(argv[1], "timer") == 0 ? run_timer(count)
						  : run_raise(count, strcmp(argv[1], "kill") == 0);

	printf("%.1f\n", ns);
	return 0;
}
