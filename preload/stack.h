/* Stacks in the segment, beside shim.h's stack_capture(). In a bracket only; async-signal-safe. */
#ifndef LOCKJAM_STACK_H
#define LOCKJAM_STACK_H

#include <stdint.h>

#define STACK_MAX_FRAMES 64

/* The record of these frames, made if there is none yet; 0 for none or no room. */
uint32_t stack_intern(const uint64_t *pcs, uint32_t count);

/* The frames of a record into pcs[STACK_MAX_FRAMES]: how many. */
uint32_t stack_copy(uint32_t stack, uint64_t *pcs);

#endif
