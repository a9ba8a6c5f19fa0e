/*
 * The values of a frame's arguments, as gdb prints them in a backtrace: "size=32, flags=(A | B)".
 *
 * Where a value is, DWARF says; it is read from the frame's registers and the memory that the
 * caller supplies, so a thread that runs, a recorded slice of a stack and a core are all the same.
 * Nothing here unwinds, stops or calls a target. Debug information and memory are untrusted: depth,
 * steps and lengths are bounded, control characters of strings are escaped.
 *
 * As gdb's defaults (`print frame-arguments scalars`) with these differences: structs, unions and
 * arrays are `{...}` instead of `...`; references to them show their address, `@0x7ffc01`; a value
 * and its value at the entry of the function are not printed twice (`n=5`, not `n=n@entry=5`), and
 * where only the latter is known it stands alone, `n@entry=5`. What is not known because the thread
 * was not stopped, or memory not kept, is `<unavailable>`.
 */
#ifndef LOCKJAM_ARGUMENT_H
#define LOCKJAM_ARGUMENT_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One physical frame (inlined frames share theirs). */
struct argument_frame {
	uint64_t pc;   /* where it goes on */
	bool is_exact; /* it is at pc itself: innermost, or interrupted by a signal; false: pc is a
			* return address, the call stands before it */
	const uint64_t *registers; /* by DWARF number */
	uint64_t known;            /* bit n: registers[n] has a value */
	uint64_t lost;  /* bit n: if not known, then nobody can know it: calls do not keep it */
	uint32_t index; /* for the callbacks */
};

/* What stands at an address. */
struct argument_place {
	Dwfl_Module *module;
	uint64_t shift; /* address in the process minus address in `module` */
	bool has_function;
	Dwarf_Die function; /* DW_TAG_subprogram with code, of that module's DWARF */
};

/* What does not change from frame to frame of a stack. Callbacks answer false when they cannot. */
struct argument_source {
	void *context;
	/* All of `size`; also constants that only the files still have. */
	bool (*read_memory)(void *context, uint64_t address, void *data, size_t size);
	bool (*find_place)(void *context, uint64_t address, struct argument_place *place);
	/* The next physical frame outwards, if it called this one (and no signal). */
	bool (*find_caller)(void *context, const struct argument_frame *frame,
			    struct argument_frame *caller);
	/* What the kernel passed in a register to the frame's function, if it is a signal's
	 * handler. */
	bool (*find_passed)(void *context, const struct argument_frame *frame, uint64_t reg,
			    uint64_t *value);
	/* The address of the function `name` of the module around the address `near`. */
	bool (*find_symbol)(void *context, uint64_t near, const char *name, uint64_t *address);
	bool is_partial; /* most memory was not kept: not having it is no error of the program */
};

/*
 * Writes the arguments of one frame to `text` (`size` bytes, always ended; cut between arguments
 * with "..." when there are more than fit), without parentheses; "" without arguments.
 * `instance` is its DW_TAG_subprogram or DW_TAG_inlined_subroutine with code; `function` the
 * DW_TAG_subprogram with code that it lies in (equal if not inlined).
 */
void argument_print(const struct argument_source *source, const struct argument_frame *frame,
		    Dwarf_Die *instance, Dwarf_Die *function, char *text, size_t size);

#endif
