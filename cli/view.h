/*
 * What a command shows: the model, the order of its graph, and which backtraces belong to it.
 * Chosen once here, so that all renderers show the same.
 */
#ifndef LOCKJAM_VIEW_H
#define LOCKJAM_VIEW_H

#include <stdio.h>

#include "collector/collector.h"
#include "collector/model/graph.h"
#include "collector/model/model.h"
#include "collector/model/wait_graph.h"

/* Why a stack is shown. */
enum backtrace_kind {
	BACKTRACE_NOW,   /* where the thread is (or a dead one was, inside a handler's call) */
	BACKTRACE_TAKEN, /* where `lock` was taken, if the thread is elsewhere by now */
};

struct view_backtrace {
	enum backtrace_kind kind;
	uint32_t process;
	uint32_t thread; /* MODEL_NONE unknown */
	uint32_t lock;   /* BACKTRACE_TAKEN */
	uint32_t stack;
	char *doing;    /* of doing.h, NULL not asked; owned by the view */
	uint32_t like;  /* the one before it that it is like, if that stands for it; else MODEL_NONE
			 */
	uint32_t alike; /* how many others it stands for */
};

struct view {
	FILE *out;
	const char *command; /* name of the subcommand */
	const char *dir;     /* the saved session, NULL live */
	struct model *model;
	struct collector *collector; /* NULL: stacks are shown as they are in the model */
	struct graph graph;
	struct wait_graph looks; /* WAIT_LOOKS, of the model */
	bool has_looks;
	bool *is_blocker; /* per lock: is somebody queued right behind it? */
	struct view_backtrace *backtraces;
	uint32_t backtrace_count;
	uint32_t thread_backtraces;   /* the first of them: of the chosen processes' threads */
	uint32_t backtraces_left_out; /* holders beyond VIEW_BACKTRACES */
	uint32_t threads_left_out;    /* beyond VIEW_THREADS, or a caller's limit */
	bool show_all;
	bool has_events;
};

/* Holders that block others and get a backtrace, unless everything is asked for. */
#define VIEW_BACKTRACES 10
/* Threads of living processes that a report looks at. */
#define VIEW_THREADS_LIVE 500
/* Threads of a core that get one, in its order (the one that got the signal stands first). */
#define VIEW_THREADS 50

/*
 * Orders the graph of `model`. The caller has set model, collector and show_all; all else is zero.
 * 0 or -ENOMEM.
 */
int view_init(struct view *v);
/* Chooses the backtraces. Where a collector is given it reads live stacks. 0 or -ENOMEM. */
int view_choose_backtraces(struct view *v);
/*
 * Those of all threads of the chosen processes, whether they could be had or not; of threads that
 * are alike one stands for all, unless everything is asked for. No more than `limit` are looked
 * at. Before other backtraces are chosen. 0 or -ENOMEM.
 */
int view_choose_threads(struct view *v, uint32_t limit);
/* One more; the view takes b.doing. 0 or -ENOMEM. */
int view_add_backtrace(struct view *v, struct view_backtrace b);
void view_done(struct view *v);

/* Unwinds and names a stack if that was not done yet. False if it has no frames. */
bool view_resolve(struct view *v, uint32_t stack);

/*
 * Where the thread is. A living one is read (one that runs is stopped for it if that was allowed);
 * else, what a call in a handler that never returned left in the record is where it was when it
 * died. MODEL_NONE: not known; a stack without frames says why.
 */
uint32_t view_thread_stack(struct view *v, uint32_t thread);

/*
 * The innermost frame of the program itself: not libc's, the loader's or the shim's. NULL if the
 * stack is MODEL_NONE or has none. Valid until the next stack is resolved.
 */
const struct model_frame *view_site(struct view *v, uint32_t stack);

/* Errors and warnings; notes are no findings for an exit status. */
struct view_tally {
	uint32_t errors, warnings, notes;
};
struct view_tally view_tally(const struct model *m);
/* EXIT_FINDINGS or EXIT_CLEAN */
int view_status(const struct model *m);

bool view_is_deadlock(const struct model_finding *f);
bool view_finding_names(const struct model_finding *f, uint32_t process);
bool view_process_has_ended(const struct model *m, uint32_t process);

#endif
