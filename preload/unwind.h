/*
 * The calling thread's stack, from the modules' call frame information. It takes no lock,
 * allocates nothing, keeps no descriptor and never faults, so that it may run anywhere: in handlers, in
 * children of multi-threaded programs, in any thread.
 *
 * Why not libunwind: its local unwinding (1.6) keeps a pipe open in the process for testing addresses,
 * so the program's next descriptor is 5 instead of 3; its state per thread is allocated by malloc at
 * a thread's first use; and its slow path takes the loader's lock.
 */
#ifndef LOCKJAM_UNWIND_H
#define LOCKJAM_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What an unwinding depended on: the registers at its start and the words of stack that it read.
 * While they are the same, so is the result.
 */
#define UNWIND_WORDS 96
struct unwind_trace {
	uint64_t sp, fp;
	uint32_t count; /* of words; UNWIND_WORDS + 1: too many, or not only words decided */
	struct {
		uint64_t address, value;
	} words[UNWIND_WORDS];
};

/* Where an unwinding starts. Always inline: the registers are those of the function that asks. */
struct unwind_start {
	uint64_t pc, sp, fp;
};
#define unwind_start_here(start) arch_here(&(start)->pc, &(start)->sp, &(start)->fp)

/*
 * Return addresses, innermost first, beginning with the first frame that is not the shim's. At
 * most `max`. Behind a signal frame the interrupted address itself. The frame of `start` must be
 * that of a function that has not returned. `trace` may be NULL.
 */
uint32_t unwind_from(const struct unwind_start *start, uint64_t *pcs, uint32_t max,
		     struct unwind_trace *trace);

/* Would the same unwinding from `start` give the same result? */
bool unwind_is_same(const struct unwind_start *start, const struct unwind_trace *trace);

#endif
