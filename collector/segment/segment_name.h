/*
 * The names of segment files, "<pid>-<start_time>-<image>.seg", and whether whom they name runs.
 */
#ifndef LOCKJAM_SEGMENT_NAME_H
#define LOCKJAM_SEGMENT_NAME_H

#include "collector/proc/proc.h"
#include "preload/segment.h"

struct segment_name {
	int pid;
	uint64_t start_time; /* 0: its writer had no /proc to learn it from */
	uint32_t image;
};

bool segment_name_parse(const char *name, struct segment_name *parts);

/* Whether the process of this pid and start time runs now; zombies do not. Without a start time:
 * whether whoever has the pid now had started at `created_ns` (CLOCK_MONOTONIC). */
bool segment_is_running(const struct proc *proc, int pid, uint64_t start_time, uint64_t created_ns);

/* Whether the process for which a segment is named runs now (by the name alone). */
bool segment_name_is_running(const struct proc *proc, const char *name);

#endif
