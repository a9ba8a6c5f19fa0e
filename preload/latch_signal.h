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

#endif
