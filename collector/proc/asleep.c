/* How long a thread has been asleep: see proc.h. */
#include "config.h"

#include "collector/proc/proc.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX 8192

/* When it last ran, by its processor's clock: milliseconds with six digits. */
static bool read_last_run(const struct proc *proc, pid_t pid, pid_t tid, uint64_t *ns)
{
	char text[4096];
	unsigned long long ms, rest;

	if (proc_read_some(proc, text, sizeof(text), "%d/task/%d/sched", (int)pid, (int)tid) <= 0)
		return false;
	const char *line = strstr(text, "\nse.exec_start");
	const char *colon = line ? strchr(line, ':') : NULL;

	if (!colon || sscanf(colon, ": %llu.%6llu", &ms, &rest) != 2)
		return false;
	*ns = ms * UINT64_C(1000000) + rest;
	return true;
}

/* Field 39 of stat, counted from the state, which is the third. */
static int read_processor(const struct proc *proc, pid_t pid, pid_t tid)
{
	char text[1024];

	if (proc_read_some(proc, text, sizeof(text), "%d/task/%d/stat", (int)pid, (int)tid) <= 0)
		return -1;
	char *at = strrchr(text, ')');

	for (int field = 2; at && field < 39; field++)
		at = strchr(at + 1, ' ');
	return at ? atoi(at) : -1;
}

/* The clocks of processors differ by the time that each has spent on interrupts: ours is read on
 * the same one, right after we went to sleep there. */
static bool read_clock(const struct proc *proc, int processor, uint64_t *ns)
{
	cpu_set_t *before = CPU_ALLOC(CPUS_MAX), *one = CPU_ALLOC(CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(CPUS_MAX);
	bool is = false;

	if (before && one && processor >= 0 && processor < CPUS_MAX) {
		CPU_ZERO_S(size, one);
		CPU_SET_S(processor, size, one);
		if (!sched_getaffinity(0, size, before) && !sched_setaffinity(0, size, one)) {
			nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
			is = read_last_run(proc, getpid(), gettid(), ns);
			sched_setaffinity(0, size, before);
		}
	}
	CPU_FREE(before);
	CPU_FREE(one);
	return is;
}

bool proc_asleep_ns(const struct proc *proc, pid_t pid, pid_t tid, uint64_t *ns)
{
	uint64_t then, now;
	int processor = read_processor(proc, pid, tid);

	/* The scheduler forgets it (0) of a thread that it moves to another processor. */
	if (!proc_is_here(proc) || !read_last_run(proc, pid, tid, &then) || !then ||
	    !read_clock(proc, processor, &now) || now < then)
		return false;
	*ns = now - then;
	return true;
}
