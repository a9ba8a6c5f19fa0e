/*
 * The collector's face: from the system, or a saved session, to a model with findings.
 *
 * The library never prints and never exits. Failures come back as negative errno with a sentence
 * in `struct collect_error`; what could only partly be seen becomes a note of the model.
 */
#ifndef LOCKJAM_COLLECTOR_H
#define LOCKJAM_COLLECTOR_H

#include "collector/model.h"

struct collect_target {
	pid_t pid;        /* > 0: this process */
	const char *name; /* else a command name or a path of a locked file (it begins with '/') */
};

struct collect_options {
	const char *proc_root;   /* NULL: "/"; tests give a recorded tree */
	const char *dir;         /* a session directory or one segment file; NULL: the live system */
	const char *core;        /* a core file; NULL: none. With dir the two are combined */
	const char *exe;         /* the program that the core is of, wherever it thinks it was; NULL */
	const struct collect_target *targets; /* none: everything that can be seen */
	uint32_t target_count;
	bool is_offline;         /* take every process of dir for dead (a copied session) */
	const char *sysroot;     /* where the modules' files are looked up; NULL "/" */
	uint32_t max_frames;     /* 0: no limit but the library's own (STACK_FRAMES_MAX) */
	bool want_events;        /* fill model.events */
	bool want_handlers;      /* name the functions of all handlers, not only of those that called
				  * something unsafe: needs the symbols of every program */
};

struct collect_error {
	char object[256]; /* what it was about */
	char cause[256];
	char advice[256]; /* what to do, "" none */
};

struct collector; /* a model, and what is needed to resolve its stacks (open segments, modules) */

/*
 * Everything: sources, merge, analysis. 0 or a negative errno with *error filled:
 * -ENOENT no such session or target; -EACCES; -EINVAL not a session; -ENOTSUP future version.
 */
int collector_open(const struct collect_options *options, struct collector **collector,
		   struct collect_error *error);
void collector_close(struct collector *c);

/* A regular file that is no segment: to be given as collect_options.core. */
bool collector_is_core(const char *path);

/* The model; its indices stay valid until collector_close(). */
struct model *collector_model(struct collector *c);

/*
 * Names the frames of one stack (unwinds a STACK_SLICE or STACK_THREAD first). May be called
 * again at no cost. 0, or a negative errno when not even one frame could be had; then
 * model_stack.stopped says why.
 */
int collector_resolve(struct collector *c, uint32_t stack);

/* A new STACK_THREAD of the thread as it is now, without stopping it; MODEL_NONE if it cannot. */
uint32_t collector_thread_stack(struct collector *c, uint32_t thread);

/* id, title, explanation and advice of a kind (collector/findings.def). */
struct finding_info {
	const char *id, *title, *explanation, *advice;
	enum severity severity;
};
const struct finding_info *finding_info(enum finding_kind kind);
const char *severity_name(enum severity severity);

/* --- session.c: directories of sessions ------------------------------------------------------ */

/* The base under which sessions of this user are made: /run/lockjam for root (made with mode 0755),
 * else /dev/shm/lockjam-<uid>. */
int session_base(char *path, size_t size);
/* Makes a new session directory (mode 1733 for root, else 0700) under the base or exactly at `dir`
 * if not NULL (which may exist if it is empty or a session). */
int session_create(const char *dir, char *path, size_t size, struct collect_error *error);
/* How many of its recorded processes still run; negative errno. */
int session_live_count(const char *path);
/* Removes a session's files and its directory; refuses (-EINVAL) what is no session. */
int session_remove(const char *path);

#endif
