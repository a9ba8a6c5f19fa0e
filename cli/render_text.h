/*
 * What the files of the text renderer share.
 */
#ifndef LOCKJAM_RENDER_TEXT_H
#define LOCKJAM_RENDER_TEXT_H

#include "cli/view.h"

/* "EXE (pid N)"; "? (pid -1)", as the kernel has it, if nobody could be named. */
void text_process(const struct view *v, uint32_t process);
/* "index_lock at index.c:31", "fcntl_lock from /lib/libx.so", "0x... from ..." */
void text_site(const struct view *v, const struct model_frame *frame);
/* The file's name, or its number. */
void text_path(const struct view *v, uint32_t resource);
/* The frames, one a line, each behind `indent` blanks. */
void text_frames(struct view *v, uint32_t stack, unsigned indent);

/* The graph: headlines, then holders and waiters with their details. `uncontended_max`: holds that
 * nobody waits for are counted beyond that many. */
void text_graph(struct view *v, uint32_t uncontended_max);
/* One line of it, with its details. */
void text_lock(struct view *v, const struct graph_node *node);
/* Of the threads of the chosen processes; all others. */
void text_thread_backtraces(struct view *v);
void text_backtraces(struct view *v);
/* What the chosen processes are doing, and whom they wait for. */
void text_live(const struct view *v);
void text_notes(struct view *v);
/* All deadlocks, a line each. */
void text_headlines(const struct view *v);
/* What the graph itself does not show, but the exit status counts. */
void text_other_findings(const struct view *v);

/* The parts of the report. */
void text_report(struct view *v);
void text_findings(struct view *v);

/* What the thread waits for, and who could end that; nothing if that is not known. */
void text_wait(const struct view *v, uint32_t thread, unsigned indent);

/* The backtraces of all threads, process by process. */
void text_stacks(struct view *v);

/* What a process is waiting for. */
struct chain;
void text_why(struct view *v, const struct chain *c);

/* The handlers of signals, and what the kernel tells of signals. */
void text_signals(struct view *v);
void text_pending(struct view *v);

/* "POSIX", "flock": the kind of a lock. */
const char *text_lock_kind(enum lock_kind kind);

/* A point in time of the model's clock, as the wall clock had it. */
uint64_t text_real_ns(const struct model *m, uint64_t mono_ns);

#endif
