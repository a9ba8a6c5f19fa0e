/*
 * What is asked of a collection, and how a failure is told: one sentence for the user.
 */
#ifndef LOCKJAM_COLLECT_H
#define LOCKJAM_COLLECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct collect_target {
	pid_t pid;        /* > 0: this process */
	const char *name; /* else a command name or a path of a locked file */
};

struct collect_options {
	const char *proc_root; /* NULL: "/"; tests give a recorded tree */
	const char *dir;       /* a session directory or one segment file; NULL: the live system */
	/* Other sessions, whose orders of locks are taken in as well: nothing else of them. */
	const char *const *other_dirs;
	uint32_t other_dir_count;
	const char *core;      /* a core file; NULL: none. With dir the two are combined */
	const char *exe; /* the program that the core is of, wherever it thinks it was; NULL */
	const struct collect_target *targets; /* none: everything that can be seen */
	uint32_t target_count;
	bool is_offline;     /* take every process of dir for dead (a copied session) */
	const char *sysroot; /* where the modules' files are looked up; NULL "/" */
	uint32_t max_frames; /* 0: no limit but the library's own (STACK_FRAMES_MAX) */
	bool is_kernel_only; /* live: leave the sessions out */
	bool is_lenient;     /* live: a target that is not there is no error */
	bool is_narrow;      /* live: names mean only processes that lock something */
	uint64_t long_hold_ns, long_wait_ns; /* from when on they are told; 0: as usual */
	bool want_events;    /* fill model.events */
	bool want_threads;   /* all threads of the targets; of several targets those that cannot be
			      * looked at are noted */
	bool want_waits;     /* live: find out what threads wait for, of any kind */
	bool may_stop;       /* running threads are stopped for the time it takes to copy their
			      * registers and stacks; blocked ones never are */
	bool want_handlers;  /* name the functions of all handlers, not only of those that called
			      * something unsafe: needs the symbols of every program; and read what
			      * the kernel tells of the targets' signals */
	uint64_t threshold_ns; /* how long is too long; 0: COLLECT_THRESHOLD_NS. want_handlers: where a
				* signal is pending that nobody can take, the collection takes so long */
};

#define COLLECT_THRESHOLD_NS UINT64_C(1000000000)

struct collect_error {
	char object[256]; /* what it was about */
	char cause[256];
	char advice[256]; /* what to do, "" none */
};

/* Fills *error; returns `code`. */
int collect_fail(struct collect_error *error, int code, const char *object, const char *cause,
		 const char *advice);

#endif
