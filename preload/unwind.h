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

#include <stdint.h>

/*
 * Return addresses, innermost first, beginning with the first frame that is not the shim's. At
 * most `max`. Behind a signal frame the interrupted address itself.
 */
uint32_t unwind_here(uint64_t *pcs, uint32_t max);

#endif
