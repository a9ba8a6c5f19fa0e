/* For how long a system call may wait. */
#ifndef LOCKJAM_CALL_LIMIT_H
#define LOCKJAM_CALL_LIMIT_H

#include "preload/shim.h"
#include "preload/sys.h"

/*
 * The time limit that its arguments give it, SEG_NO_LIMIT if they give none. Where the kernel writes back
 * what is left of it, that. 0 where it cannot be read. Async-signal-safe.
 */
uint64_t call_limit_ns(const struct arch_call *call);

#endif
