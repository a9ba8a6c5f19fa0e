/*
 * Calls that a handler interrupted: made once more when it returns, or ended by it. Async-signal-safe.
 */
#ifndef LOCKJAM_INTERRUPTION_H
#define LOCKJAM_INTERRUPTION_H

#include "preload/signal.h"

/* How often the thread gave its processor away of its own accord: that is, slept. */
uint64_t interruption_sleeps(void);

/*
 * The handler of `frame` (handler: its record) has returned: if the interrupted code stands on a
 * system call, or behind one that ended with EINTR, that is recorded. False if it does not. In a bracket
 * only.
 */
bool interruption_record(const struct shim_frame *frame, uint32_t handler, uint64_t now_ns);

#endif
