/*
 * Findings: calls of unsafe functions that were made in a handler, and jumps out of one.
 *
 * The first call of a site is kept with its registers and a copy of the stack, for the collector to
 * unwind; later calls are counted. Nothing is unwound here.
 */
#ifndef LOCKJAM_FINDING_H
#define LOCKJAM_FINDING_H

#include <stdint.h>

#include "preload/signal.h"

struct finding_call {
	const char *function;
	struct shim_frame *frame; /* the innermost active handler */
	const uint64_t *regs;     /* ARCH_REGS of them, as the caller sees them after the call */
	uint32_t why;             /* as in struct seg_finding */
	uint16_t flags;           /* of enum seg_finding_flag, what the function's kind says */
	uint16_t kind;            /* enum seg_finding_kind */
};

/* Records the call; the index of its finding, 0 if there was no room. In a bracket only. */
uint32_t finding_record(const struct finding_call *call, uint64_t now_ns);

/* Whether an address lies in the allocator's code, as far as its exported functions tell. */
bool finding_is_allocator(uint64_t pc);

#endif
