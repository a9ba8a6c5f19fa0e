/*
 * Handlers that were there before the shim: put behind the trampoline, and back. Everything else of a
 * disposition (mask, flags, restorer) stays as the kernel has it.
 */
#ifndef LOCKJAM_LATCH_SIGNAL_H
#define LOCKJAM_LATCH_SIGNAL_H

#include <stdbool.h>

/* False where a handler had to be left as it is. Both only aside and quiet; async-signal-safe. */
bool latch_signal_take_over(void);

/* Handlers that still are behind the trampoline become the program's own again. */
void latch_signal_give_back(void);

/*
 * Around a change of a disposition by the program, signals blocked: not while they are being taken over or
 * given back. A tenth of a second at most, should whoever does that be stopped. Async-signal-safe.
 */
void latch_signal_enter(void);
void latch_signal_leave(void);
void latch_signal_forked(void); /* in the child */

#endif
