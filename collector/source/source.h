/*
 * What the sources share while they fill one model, and the list of them.
 *
 * Each source adds what it can see and notes what it cannot; merge.h then weighs them against each
 * other. Order: segments (who, where, since when), locks (the kernel's word), tasks (what the
 * threads that matter are doing), memory (locks of threads, which the kernel knows nothing of).
 */
#ifndef LOCKJAM_SOURCE_H
#define LOCKJAM_SOURCE_H

#include "collector/collect.h"
#include "collector/model/index.h"
#include "collector/model/model.h"
#include "collector/proc/proc.h"
#include "collector/segment/segment_read.h"

/* A hold that was shared by fork and explicitly released: copies of it are no longer held. */
struct tombstone {
	uint64_t ofd, since_ns;
};

struct gather {
	struct model *m;
	const struct proc *proc;
	const struct collect_options *options;
	struct segment **segments; /* of m->processes, NULL without one; owned by the collector */
	uint32_t segment_room;
	struct index processes; /* pid -> m->processes */
	struct index resources; /* ino -> m->resources */
	struct tombstone *tombstones;
	uint32_t tombstone_count, tombstone_room;
	struct core *core;     /* NULL without one; its paths and segments point into it */
	uint32_t core_process; /* of the core, into m->processes */
	uint32_t asked_since;  /* how often it was asked since when somebody sleeps */
	uint64_t bytes_read;   /* of segments: bounded as a whole */
	uint64_t last_ns;      /* the latest time in any record */
	uint64_t last_real_ns; /* the same moment on CLOCK_REALTIME, by that record's header */
	uint64_t origin_ns;    /* CLOCK_REALTIME - CLOCK_MONOTONIC of the first record; 0: none yet */
	uint32_t session;      /* that is being read: 0, or one of options->other_dirs, from 1 */
};

struct source {
	const char *name;
	/* 0, or a negative errno with *error filled when without it nothing at all can be said. */
	int (*collect)(struct gather *g, struct collect_error *error);
};

extern const struct source source_core, source_segments, source_locks, source_tasks, source_memory;

/* source_tasks.c: what the source left because there were too many, of what the targets concern.
 * After select_targets(). */
void tasks_read_rest(struct gather *g);

/* source_tasks.c: all threads of the chosen processes, with their names. After select_targets(). */
void tasks_read_targets(struct gather *g);

/* memory_waits.c: what recorded threads wait for in their process's memory, beside locks, into
 * model.waits. After select_targets(). */
void memory_waits_collect(struct gather *g);

/* core_waits.c: the request of a lock that a core's thread was blocked in, if it was. */
struct arch_prstatus;
void core_waits_add(struct gather *g, uint32_t process, uint32_t thread,
		    const struct arch_prstatus *status);

/* What is collected is a saved session or a core, not the running system. */
static inline bool gather_is_saved(const struct gather *g)
{
	return g->options->dir || g->options->core;
}

/* --- gather.c --------------------------------------------------------------------------------- */

/* Frees its own, the core with it; not the model, not the segments. */
void gather_done(struct gather *g);

/* The resource (dev as stat gives it), added if it is new; a path is taken if none was known. */
uint32_t gather_resource(struct gather *g, uint64_t dev, uint64_t ino, const char *path);

void gather_path(struct gather *g, uint32_t resource, const char *path); /* if none is known */

/* The process that has this pid now, added if it is new; MODEL_NONE when it is gone (or a zombie,
 * who holds nothing any more) or memory is out. */
uint32_t gather_process(struct gather *g, pid_t pid);

/* Its thread, added if it is new; MODEL_NONE if there is no process, or memory is out. */
uint32_t gather_thread(struct gather *g, uint32_t process, pid_t tid);

uint32_t gather_live_process(const struct gather *g, pid_t pid); /* if it is known already */

/* What /proc tells of a process's name; may be read by any thread, then handed in. */
struct process_name {
	char *exe; /* malloc'ed, NULL: not to be seen */
	char comm[64];
	bool is_gone;
	bool is_hidden; /* it exists, but /proc does not show it (hidepid) */
};
void process_name_read(const struct proc *proc, pid_t pid, struct process_name *name);
/* Adds the process (MODEL_NONE if it is gone); frees what `name` holds. */
uint32_t gather_named_process(struct gather *g, pid_t pid, struct process_name *name);
void gather_name(struct gather *g, uint32_t process); /* names a process that is known */

/* --- source_tasks.c -------------------------------------------------------------------------- */

/* Adds, or brings up to date, all threads of a living process. */
void tasks_read_process(struct gather *g, uint32_t process);

/* --- waits.c --------------------------------------------------------------------------------- */

/* What the threads of the targets, of those who wait and of those in their way wait for, and
 * whoever those wait for. After select_targets(). */
void waits_collect(struct gather *g);

/* identity.c: parents, users, command lines of living processes without a segment. */
void identify_processes(struct gather *g);

/* --- source_segments.c ------------------------------------------------------------------------ */

/* Loads a probed segment into the model if it is of interest here. Takes `s`. */
void segment_source_add(struct gather *g, struct segment *s, const char *path);

/*
 * segment_memfd.c: the record of a living process that could reach no session directory, if it
 * keeps one in a memfd. Reads /proc/PID/maps: only for processes that matter.
 */
void segment_memfd_add(struct gather *g, pid_t pid);

/* --- namespaces.c ----------------------------------------------------------------------------- */

/* Fills ns_pid and root of the processes with locks. */
void namespaces_look(struct gather *g);

/* --- segment_model.c: one segment's records into the model ------------------------------------ */

struct segment_origin {
	const char *path;         /* where it was read */
	enum process_state state; /* as far as the file and the kernel tell */
};

/*
 * Adds the process of `s` and all its records; the process, or MODEL_NONE (memory is out: the
 * caller keeps the segment). On success the gather keeps the segment. Locks come in with
 * EVIDENCE_RECORDED.
 */
uint32_t segment_model_add(struct gather *g, struct segment *s,
			   const struct segment_origin *origin);

/* --- segment_story.c: what a segment tells about itself and its last moments ------------------ */

/* The ring's events as readable lines into model.events, in the order of the ring. */
void segment_events_add(struct gather *g, const struct segment *s, uint32_t process);
/* One note for each thing that the recorder lost, or could not do. */
void segment_notes_add(struct gather *g, const struct segment *s, uint32_t process);
/* Its recorder looks no more, though the process may live. */
bool segment_sampling_is_over(const struct segment *s);
/* When all are added: what is to be said of those that were recorded by sampling. */
void segment_sampling_notes_add(struct gather *g);

/* segment_lost.c: who got the locks that others had lost, by the last events of all segments. */
void segment_lost_judge(struct gather *g);

/* segment_why.c: bits of enum seg_why as "may allocate or free memory"; NULL for none. */
const char *segment_why_text(struct model *m, uint32_t why);

#endif
