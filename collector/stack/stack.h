/*
 * Stacks: from raw material (recorded program counters, recorded registers and stack, a live
 * thread, a core) to named frames. One engine for all: libdwfl with memory and registers supplied
 * by us, so that a dead process's record gives the same frames as the living process.
 *
 * Works outside the target: the files of its modules are read (by the path and build-id noted in
 * the segment, or /proc/PID/maps), never the target's own symbol tables. Frames of the shim itself
 * are left out.
 */
#ifndef LOCKJAM_STACK_H
#define LOCKJAM_STACK_H

#include "collector/model/model.h"
#include "collector/proc/proc.h"
#include "collector/segment/segment_read.h"

#define STACK_FRAMES_MAX 10000

struct core;
struct stacks;

/*
 * `segments[i]` belongs to m->processes.items[i], NULL without one; `segment_count` is its length
 * (processes added later have none). All must outlive the result. NULL: memory is out.
 */
struct stacks *stacks_new(struct model *m, const struct proc *proc, struct segment *const *segments,
			  uint32_t segment_count, const char *sysroot, uint32_t max_frames);
void stacks_free(struct stacks *s);

/* The core that the process is in, and the file of its program (NULL: where it was). Both must
 * outlive the stacks. Before the first stack is resolved. */
void stacks_set_core(struct stacks *s, uint32_t process, const struct core *core, const char *exe);

/* Notes which files of the core's process are missing or others than those that were mapped. */
void stacks_note_files(struct stacks *s);

/* Where separate debug information is looked for (libdwfl's syntax), before the first stack is
 * resolved. For tests. 0 or -ENOMEM. */
int stacks_set_debug_path(struct stacks *s, const char *path);

struct model *stacks_model(struct stacks *s);

/* See collector_resolve(), collector_thread_stack() and collector_copy_thread(). */
int stacks_resolve(struct stacks *s, uint32_t stack);
uint32_t stacks_thread(struct stacks *s, uint32_t thread);
uint32_t stacks_copy_thread(struct stacks *s, uint32_t thread, bool may_stop);

/* Fills the "classified" part of model_call: unwinds its stack and looks what was interrupted. */
void stacks_classify(struct stacks *s, uint32_t call);

/*
 * A thread of a core that is in the allocator, in a signal handler, makes a call of its own: added
 * to the model, classified. One that the record has already is not added again.
 */
void stacks_classify_thread(struct stacks *s, uint32_t thread);

/*
 * Names a lock of threads (RESOURCE_MEMORY): by the variable that its address lies in, "mutex
 * 0x55d0c0a4 (cache_lock)", as far as a file tells; else by its address.
 */
void stacks_name_memory(struct stacks *s, uint32_t resource);

/* The same for the object of a wait (model_wait.address). */
void stacks_name_wait(struct stacks *s, uint32_t wait);

/* Names the function of a handler (model_handler: function, file, line, module). */
void stacks_name_handler(struct stacks *s, uint32_t handler);

#endif
