/*
 * The shim in a program that was running already: `lockjam attach --inject` makes a thread of the
 * target open liblockjam.so and call lockjam_attach(). What LD_PRELOAD does at the start by the order of
 * the libraries is done here by changing the addresses that each object calls libc's functions by
 * (latch_object.c finds them, latch_slot.c changes them), and undone by lockjam_detach().
 *
 * The library is never unloaded: a thread may be inside a wrapper, a handler behind the trampoline. Detached,
 * every wrapper and the trampoline only call on (SHIM_ASIDE_DETACHED).
 *
 * Both verbs run in one thread while the others go on. They allocate nothing, take no lock but the loader's,
 * and that only if it is free (latch_loader.c), and end in about a second at most.
 */
#ifndef LOCKJAM_LATCH_H
#define LOCKJAM_LATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The constructor's part: finds the loader's lock, and what our wrappers stand for. */
void latch_init(void);

/*
 * Begins to record in `directory` (absolute; NULL: the default session). The number of addresses that were
 * changed, or one of SEG_REFUSALS: then nothing was. Not in a handler, not in code of the shim.
 */
int64_t lockjam_attach(const char *directory);

/* Ends the record and puts everything back. The number of addresses, or one of SEG_REFUSALS. */
int64_t lockjam_detach(void);

/* Is this shim recording a program that it was not preloaded into? */
bool latch_is_attached(void);

/*
 * A thread that has called dlopen() comes by, in a bracket or before its dlsym(): looks for new objects if
 * the loader's lock is free. Async-signal-safe.
 */
void latch_follow(void);

#endif
