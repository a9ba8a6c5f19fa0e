/*
 * A process as injection needs it: its modules, its libc with the functions to call, which of
 * libc's functions a thread may be taken out of, and room for the code that it is to run.
 */
#ifndef LOCKJAM_INJECT_TARGET_H
#define LOCKJAM_INJECT_TARGET_H

#include "collector/collect.h"
#include "collector/inject/inject_maps.h"
#include "collector/unwind/unwind.h"

/* What a module is, to who finds a frame of it on a stack. */
enum inject_module {
	INJECT_MODULE_OTHER,  /* the program, its libraries */
	INJECT_MODULE_LIBC,   /* to be judged by the function through which it was entered */
	INJECT_MODULE_LOADER, /* holds its lock, or is about to */
	INJECT_MODULE_ALLOCATOR,
	INJECT_MODULE_UNWINDER, /* of exceptions: asks the loader */
	INJECT_MODULE_SHIM,
};

/* Of a function of libc: whether a thread may be taken out of it, or of what it has called. */
enum inject_harm {
	INJECT_HARMFUL, /* it may hold a lock */
	INJECT_WAITING, /* it may not while it waits in a system call */
	INJECT_HARMLESS,
};

/* A function that libc exports. */
struct inject_entry {
	uint64_t start, size;
	enum inject_harm harm;
};

struct inject_target {
	const struct proc *proc;
	pid_t pid;
	char object[128]; /* "imapd (pid 3301)", for messages */

	struct images *images;
	struct modules modules;
	struct unwinder *unwinder;
	struct inject_maps maps;
	enum inject_module *kinds; /* of modules.items */
	uint32_t libc;             /* index in modules.items */
	bool program_allocates;    /* the program itself exports malloc() */

	struct inject_entry *entries; /* of libc, by start */
	uint32_t entry_count;

	uint64_t dlopen, dlsym, dlerror; /* the last may be 0 */
	int dlopen_flags;
	uint64_t cave; /* where the code goes */
};

/*
 * Looks at the process from outside; 0, or a negative errno with *error saying why nothing can be
 * loaded into it. cave_size: bytes of code.
 */
int inject_target_open(struct inject_target *t, const struct proc *proc, pid_t pid,
		       size_t cave_size, struct collect_error *error);
void inject_target_close(struct inject_target *t);
/* Looks again: it may have loaded more. */
int inject_target_refresh(struct inject_target *t);

/* What covers an address; INJECT_MODULE_OTHER and *module NULL where no file does. */
enum inject_module inject_target_kind(const struct inject_target *t, uint64_t address,
				      const struct module **module);
/* The address in the process of what a module exports; false if it does not. */
bool inject_target_symbol(const struct inject_target *t, struct module *module, const char *name,
			  uint64_t *address);
/* The mapped shim, NULL: none. */
struct module *inject_target_shim(const struct inject_target *t);
/* Of the function that starts exactly there, by its names. */
enum inject_harm inject_target_harm(const struct inject_target *t, uint64_t address);
/* libc's exported function that covers an address, NULL: none. */
const struct inject_entry *inject_target_entry(const struct inject_target *t, uint64_t address);

/* --- inject_obstacle.c ---------------------------------------------------------------------------
 */

/* What speaks against the process, without a look at its files. 0 or a negative errno. */
int inject_obstacle(struct inject_target *t, struct collect_error *error);
/* Whether the process finds our file under the same path: 0 or a negative errno. */
int inject_obstacle_path(const struct inject_target *t, const char *path,
			 struct collect_error *error);

/* --- inject_harmless.c ---------------------------------------------------------------------------
 */

enum inject_harm inject_harm(const char *name);

#endif
