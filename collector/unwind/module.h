/*
 * The modules of one process: which file stands at which addresses. From the segment's table for
 * what was recorded, and from /proc/PID/maps for what lives, or a core's list of mapped files.
 */
#ifndef LOCKJAM_MODULE_H
#define LOCKJAM_MODULE_H

#include "collector/symbol/image.h"
#include "collector/proc/proc.h"
#include "collector/segment/segment_read.h"

struct module {
	uint64_t start, end;
	uint64_t map_start, map_end; /* one mapping, as /proc/PID/maps has it; 0 unknown */
	uint64_t map_offset;         /* of that mapping in the file */
	uint64_t bias;               /* address in the process minus address in the file */
	bool has_bias;               /* else it is known once the image is open */
	const char *path;
	const char *file; /* where the user says that it is; NULL: at its path */
	uint8_t build_id[IMAGE_BUILD_ID_MAX];
	uint32_t build_id_size;
	bool is_shim;
	struct image *image; /* NULL until asked for */
};

struct modules {
	struct images *images;
	const struct proc *proc;
	pid_t pid;               /* of a live process, 0 otherwise */
	const struct core *core; /* of a process in a core, NULL otherwise */
	struct module *items;    /* by start, not overlapping */
	uint32_t count, room;
	bool is_complete; /* /proc/PID/maps was looked at */
	char *maps;       /* holds paths */
};

/* segment may be NULL, pid 0. What cannot be read is simply not there. 0 or -ENOMEM. */
int modules_load(struct modules *modules, struct images *images, const struct proc *proc,
		 struct segment *segment, pid_t pid);
/* The same in two steps: what was recorded, then the rest, if it is needed (again: nothing). What
 * modules_find() gave is no longer valid after the second. */
int modules_begin(struct modules *modules, struct images *images, const struct proc *proc,
		  struct segment *segment, pid_t pid);
int modules_complete(struct modules *modules);
/* Whether return addresses can be named without the second step: their modules were recorded, and
 * other processes have had the files opened. */
bool modules_are_open(const struct modules *modules, const uint64_t *pcs, uint32_t count);
/* The same of a core's process; exe: the file of its program, NULL: where it was. */
int modules_load_core(struct modules *modules, struct images *images, struct segment *segment,
		      const struct core *core, const char *exe);
void modules_done(struct modules *modules);

/* The module that covers an address, or NULL. */
struct module *modules_find(const struct modules *modules, uint64_t address);
/* Opens its image (once); NULL if memory is out. */
struct image *modules_image(const struct modules *modules, struct module *module);

#endif
