/*
 * A busy program that opens the shim by itself and has itself recorded and not recorded, in turn, while its
 * threads lock, allocate, take signals, fork, load and unload libraries, bind calls and throw: what they
 * do must come out the same, and after each round the process must be as it was before.
 *
 * rounds SHIM FOLDER ROUNDS [SECONDS [WORKER...]]: ends after so many rounds or seconds. Built twice: with calls
 * bound at the start behind read-only pages, and with calls bound when they are made.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/latch/rounds.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef PATIENCE
#define PATIENCE 60 /* seconds in which something must move */
#endif
#define THREADS 64

const char *rounds_folder;

static struct {
	int64_t (*attach)(const char *);
	int64_t (*detach)(void);
	_Atomic uint64_t done, busy;
	_Atomic bool stop;
	pthread_t threads[THREADS];
	int thread_count;
} rounds;

void rounds_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s (errno %d, round %llu)\n", file, line, what, errno,
		(unsigned long long)rounds.done);
	if (getenv("ROUNDS_WAIT"))
		pause();
	abort();
}

uint64_t rounds_done(void)
{
	return rounds.done;
}

/* --- threads ------------------------------------------------------------------------------------ */

static void *work(void *data)
{
	struct worker *w = data;

	while (!atomic_load(w->stop)) {
		w->turn(w);
		atomic_fetch_add(&w->done, 1);
	}
	return NULL;
}

static bool is_wanted(const struct worker *w, char **names)
{
	for (char **name = names; *name; name++)
		if (strcmp(*name, w->name) == 0)
			return true;
	return !*names;
}

static void start_workers(char **names)
{
	for (struct worker *w = workers; w->name; w++) {
		w->stop = &rounds.stop;
		for (int i = 0; i < w->threads && is_wanted(w, names); i++) {
			HOLDS(rounds.thread_count < THREADS);
			HOLDS(!pthread_create(&rounds.threads[rounds.thread_count++], NULL, work, w));
		}
	}
}

static uint64_t progress(void)
{
	uint64_t sum = rounds.done;

	for (struct worker *w = workers; w->name; w++)
		sum += w->done;
	return sum;
}

static void *watch(void *unused)
{
	uint64_t last = 0;

	(void)unused;
	for (;;) {
		sleep(PATIENCE);
		if (progress() == last)
			rounds_fail(__FILE__, __LINE__, "something moves");
		last = progress();
	}
	return NULL;
}

/* --- rounds ------------------------------------------------------------------------------------- */

static void load_shim(const char *path)
{
	void *shim = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!shim) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	rounds.attach = (int64_t(*)(const char *))dlsym(shim, "lockjam_attach");
	rounds.detach = (int64_t(*)(void))dlsym(shim, "lockjam_detach");
	HOLDS(rounds.attach && rounds.detach);
}

/* Records of this round, of the program and of its children. */
static int remove_records(void)
{
	DIR *folder = opendir(rounds_folder);
	struct dirent *entry;
	char path[4096];
	int count = 0;

	HOLDS(folder);
	while ((entry = readdir(folder))) {
		if (!strstr(entry->d_name, ".seg"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", rounds_folder, entry->d_name);
		unlink(path);
		count++;
	}
	closedir(folder);
	return count;
}

/* "Try again" is an answer, but not for ever. */
static int64_t try_again(bool is_attach)
{
	int64_t result = 0;

	for (int i = 0; i < 100; i++) {
		result = is_attach ? rounds.attach(rounds_folder) : rounds.detach();
		if (result != -EBUSY)
			break;
		atomic_fetch_add(&rounds.busy, 1);
	}
	if (result < 0)
		fprintf(stderr, "%s: %s\n", is_attach ? "attach" : "detach", strerror((int)-result));
	return result;
}

static void one_round(unsigned pause_us)
{
	HOLDS(try_again(true) > 0);
	HOLDS(checks_redirected() > 0);
	if (pause_us)
		usleep(pause_us);
	HOLDS(try_again(false) > 0);
	checks_unchanged();
	HOLDS(remove_records() > 0);
	atomic_fetch_add(&rounds.done, 1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(uint64_t wanted, double limit)
{
	double end = seconds() + limit;
	unsigned seed = 1;

	while (rounds.done < wanted && seconds() < end)
		one_round((unsigned)rand_r(&seed) % 4 ? 0 : (unsigned)rand_r(&seed) % 3000);
}

static void report(void)
{
	printf("rounds %llu busy %llu\n", (unsigned long long)rounds.done,
	       (unsigned long long)rounds.busy);
	for (struct worker *w = workers; w->name; w++)
		printf("%s %llu\n", w->name, (unsigned long long)w->done);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	pthread_t watcher;
	int descriptors;

	if (argc < 4) {
		fprintf(stderr, "usage: rounds SHIM FOLDER ROUNDS [SECONDS [WORKER...]]\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rounds_folder = argv[2];
	checks_begin();
	load_shim(argv[1]);
	pthread_create(&watcher, NULL, watch, NULL);
	descriptors = checks_descriptors();
	start_workers(argc > 5 ? argv + 5 : (char *[]){NULL});
	run(strtoull(argv[3], NULL, 10), argc > 4 ? atof(argv[4]) : 1e9);
	atomic_store(&rounds.stop, true);
	for (int i = 0; i < rounds.thread_count; i++)
		pthread_join(rounds.threads[i], NULL);
	checks_unchanged();
	HOLDS(checks_descriptors() == descriptors);
	report();
	return 0;
}
