/*
 * Unwinding with libdwfl: from registers and memory, wherever they come from, to machine frames.
 * Knows no names.
 */
#ifndef LOCKJAM_UNWIND_H
#define LOCKJAM_UNWIND_H

#include "collector/arch/arch.h"
#include "collector/unwind/module.h"

struct unwind_frame {
	uint64_t pc;
	bool is_exact;  /* pc stands on the frame's instruction: first or interrupted frame; else it
			 * is a return address */
	bool is_signal; /* the frame that the kernel built to call a handler */
	bool is_jumped; /* not on the stack any more: its last call became a jump to the frame
			 * before, and pc stands behind that; no registers (argument_stack.h) */
	uint64_t regs[ARCH_REGS];
	uint64_t known; /* bit n: regs[n] has a value */
};

/* Where a stack comes from. */
struct unwind_start {
	uint64_t regs[ARCH_REGS];
	uint64_t known;         /* at least ARCH_SP and ARCH_PC */
	uint64_t blocked;       /* the thread's mask of signals, 0 unknown */
	bool is_return_address; /* the pc is one: the first frame is inside a call */
	/* Reads the thread's stack; false when it is not there. */
	bool (*read)(void *context, uint64_t address, void *data, size_t size);
	/* Reads what arguments point to; NULL: `read` does. */
	bool (*read_data)(void *context, uint64_t address, void *data, size_t size);
	void *context;
};

struct unwind_frames {
	struct unwind_frame *items;
	uint32_t count, room;
	const char *stopped; /* why it did not reach the end of the stack; NULL if it did */
	uint64_t stopped_at; /* the address that `stopped` is about, 0 none */
};

struct unwinder; /* of one process */

/* modules must outlive it. NULL if memory is out. */
struct unwinder *unwinder_new(struct modules *modules);
void unwinder_free(struct unwinder *u);

/* Frames, innermost first, at most `max`. 0, or -ENOMEM; a stack that ends early is no error. */
int unwind(struct unwinder *u, const struct unwind_start *start, uint32_t max,
	   struct unwind_frames *frames);
void unwind_frames_done(struct unwind_frames *frames);

#endif
