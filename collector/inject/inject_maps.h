/*
 * The mappings of a process with their permissions, as /proc/PID/maps has them.
 */
#ifndef LOCKJAM_INJECT_MAPS_H
#define LOCKJAM_INJECT_MAPS_H

#include "collector/proc/proc.h"

struct inject_map {
	uint64_t start, end, offset;
	char access[5];   /* "r-xp" */
	const char *path; /* "" none; with the kernel's remark " (deleted)" */
};

struct inject_maps {
	struct inject_map *items; /* ascending */
	uint32_t count;
	char *text; /* holds the paths */
};

/* 0 or a negative errno. */
int inject_maps_load(struct inject_maps *maps, const struct proc *proc, pid_t pid);
void inject_maps_done(struct inject_maps *maps);
/* The mapping that covers an address, or NULL. */
const struct inject_map *inject_maps_find(const struct inject_maps *maps, uint64_t address);

#endif
