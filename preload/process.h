/*
 * The life of a process: its start, what a child inherits, its images, its end. All are
 * async-signal-safe unless it is said.
 */
#ifndef LOCKJAM_PROCESS_H
#define LOCKJAM_PROCESS_H

#include "preload/segment_file.h"

/* What must be known before a first event, also one that comes before the constructor. */
void process_early_init(void);

/* The constructor's part, once the unwinder is there. Not async-signal-safe. */
void process_init(void);

/*
 * A segment has been mapped for this process and is filled before anybody sees it. `parent` is
 * the segment of an ancestor, still mapped, or NULL.
 */
void process_segment_created(struct seg_header *fresh, struct seg_header *parent,
			     const struct segment_file *file);

/* errno and -1 for the assembler's vfork. */
int process_vfork_failed(int negative_errno);

#endif
