/* See segment_name.h. */
#include "config.h"

#include "collector/segment/segment_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

bool segment_name_parse(const char *name, struct segment_name *parts)
{
	int end = 0;

	return sscanf(name, "%d-%" SCNu64 "-%" SCNu32 SEG_SUFFIX "%n", &parts->pid,
		      &parts->start_time, &parts->image, &end) == 3 &&
	       end && !name[end] && parts->pid > 0;
}

bool segment_is_running(const struct proc *proc, int pid, uint64_t start_time, uint64_t created_ns)
{
	struct proc_stat st;

	if (proc_read_stat(proc, pid, &st) || st.state == 'Z' || st.state == 'X')
		return false;
	if (start_time)
		return st.start_time == start_time;
	/* The writer had no /proc: whoever has its pid now must have started before it wrote. */
	struct timespec boot, mono;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	int64_t asleep =
		(boot.tv_sec - mono.tv_sec) * INT64_C(1000000000) + boot.tv_nsec - mono.tv_nsec;
	uint64_t tick = 1000000000 / sysconf(_SC_CLK_TCK);

	return st.start_time * tick <= created_ns + asleep + tick;
}

bool segment_name_is_running(const struct proc *proc, const char *name)
{
	struct segment_name parts;

	return segment_name_parse(name, &parts) &&
	       segment_is_running(proc, parts.pid, parts.start_time, UINT64_MAX / 2);
}
