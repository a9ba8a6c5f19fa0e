/*
 * What the files of stack.h share: processes and their unwinders (stack_process.c), frames and
 * their names (stack_frames.c), and where stacks come from (stack_origin.c). Nobody else includes
 * this.
 */
#ifndef LOCKJAM_STACK_PRIVATE_H
#define LOCKJAM_STACK_PRIVATE_H

#include "collector/core/core.h"
#include "collector/symbol/image.h"
#include "collector/unwind/module.h"
#include "collector/stack/stack.h"
#include "collector/symbol/symbol.h"
#include "collector/unwind/unwind.h"

struct process_stacks {
	struct modules modules;
	struct unwinder *unwinder;
	uint64_t used; /* stacks.clock of the last use of the unwinder */
};

struct stacks {
	struct model *m;
	const struct proc *proc;
	struct segment *const *segments;
	uint32_t segment_count;
	uint32_t max_frames;
	struct images *images;
	bool is_server_noted;
	struct process_stacks **processes; /* by the model's index; NULL not loaded */
	uint32_t process_count;
	uint64_t clock;
	uint32_t unwinder_count;
	struct stack_live **copies; /* of threads, by the stack's index; NULL without one */
	uint32_t copy_room;
	const struct core *core; /* of core_process; NULL without one */
	uint32_t core_process;
	const char *core_exe;
};

/* --- stack_process.c ------------------------------------------------------------------------- */

/* The segment of a process, NULL without one. */
struct segment *stack_segment(const struct stacks *s, uint32_t process);
/* Its modules as they were recorded, read at the first call; NULL if memory is out. */
struct process_stacks *stack_process_recorded(struct stacks *s, uint32_t process);
/* All of its modules; of a living process from /proc/PID/maps, too. */
struct process_stacks *stack_process(struct stacks *s, uint32_t process);
/* Its unwinder; only the last few used are kept. NULL if memory is out. */
struct unwinder *stack_unwinder(struct stacks *s, struct process_stacks *ps);
void stack_processes_free(struct stacks *s);

/* --- stack_frames.c -------------------------------------------------------------------------- */

/* A new frame at the end of the stack that is being resolved; NULL: no more. */
struct model_frame *stack_add_frame(struct stacks *s, uint32_t stack, enum frame_kind kind);
/* Recorded addresses, innermost first; marks: SEG_PC_* of each, NULL: all are return addresses. */
struct stack_pcs {
	const uint64_t *pcs, *marks;
	uint32_t count;
};
void stack_name_pcs(struct stacks *s, uint32_t stack, const struct process_stacks *ps,
		    const struct stack_pcs *pcs);
/* Unwinds and names; is_partial: start reads but a part of memory. 0 or a negative errno. */
int stack_unwind_and_name(struct stacks *s, uint32_t stack, const struct unwind_start *start,
			  bool is_partial);
/* What stands at an address of a module, NULL unknown. A file without names is noted, once. */
const struct symbol *stack_symbol(struct stacks *s, const struct process_stacks *ps,
				  struct module *module, uint64_t address);

/* --- stack_origin.c -------------------------------------------------------------------------- */

/* Frames for a stack of each origin: 0, or a negative errno with model_stack.stopped set. */
int stack_resolve_pcs(struct stacks *s, uint32_t stack);
int stack_resolve_slice(struct stacks *s, uint32_t stack);
int stack_resolve_thread(struct stacks *s, uint32_t stack);
int stack_resolve_core(struct stacks *s, uint32_t stack);

/* Copies what stack_resolve_thread() then works on; on failure the stack is resolved as far as it
 * ever will be, and says why. */
void stack_copy_thread(struct stacks *s, uint32_t stack, bool may_stop);
void stack_copies_free(struct stacks *s);

#endif
