/*
 * The life of a process: its start, its forks, its images, its end. All are async-signal-safe
 * unless it is said.
 */
#ifndef LOCKJAM_PROCESS_H
#define LOCKJAM_PROCESS_H

#include "preload/arch-offsets.h"
#include "preload/segment_file.h"

/* What must be known before a first event, also one that comes before the constructor. */
void process_early_init(void);

/* The constructor's part. Not async-signal-safe. */
void process_init(void);

/* The same of a shim that a running program opened: only hooks that do nothing while it stands aside. */
void process_init_late(void);

/* The segment of a process that lives on is complete (SEG_DETACHED). In no bracket, aside and quiet. */
void process_detached(uint64_t calls);
/* It never began: the file is removed. */
void process_discarded(void);

/*
 * A segment has been mapped for this process and is filled before anybody sees it. `parent` is
 * the segment of an ancestor, still mapped, or NULL.
 */
void process_segment_created(struct seg_header *fresh, struct seg_header *parent);

/* Around a fork; the last two after one that succeeded or failed. */
void process_before_fork(void);
void process_after_fork_parent(void);
void process_after_fork_child(void);

/* Notes that this image ends; undone by process_exec_failed(), which hands its argument back. */
void process_exec_begin(void);
int process_exec_failed(int result);
void *process_exec_variadic(int which); /* for arch-*.S: the real function */

/* Recorded, and the file is removed if there was nothing to tell. */
void process_exited(int status);

/* errno and -1 for the assembler's vfork. */
int process_vfork_failed(int negative_errno);

#endif
