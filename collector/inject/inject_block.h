/*
 * What the code that runs in the target (stub-*.S) and the tracer tell each other: a block on the
 * thread's own stack. The tracer writes all of it before the thread goes there, so that the thread
 * finds its way back by itself when the tracer is gone.
 */
#ifndef LOCKJAM_INJECT_BLOCK_H
#define LOCKJAM_INJECT_BLOCK_H

/* Offsets in struct inject_block, for assembler. */
#define INJECT_CALL_MASK 0
#define INJECT_OWN_MASK 8
#define INJECT_CAUGHT 16
#define INJECT_FUNCTION 24
#define INJECT_ARGUMENTS 32
#define INJECT_RESULT 56
#define INJECT_MXCSR 64
#define INJECT_ENDED_BY 68
#define INJECT_XSTATE 72
#define INJECT_TOP 80
#define INJECT_ENDED_PC 88
#define INJECT_PENDING 96
#define INJECT_ACTION 104
#define INJECT_REGISTERS 136
#define INJECT_REPORT 248

/* inject_block.ended_by: which handlers end the system call that the thread was taken from. */
#define INJECT_BY_NONE 0        /* it was in none, or its result is there already */
#define INJECT_BY_ANY 1         /* ERESTARTNOHAND, ERESTART_RESTARTBLOCK */
#define INJECT_BY_NOT_RESTART 2 /* ERESTARTSYS: those without SA_RESTART */

#ifndef __ASSEMBLER__
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct inject_block {
	uint64_t call_mask; /* signals blocked during the call */
	uint64_t own_mask;  /* the thread's own mask */
	uint64_t caught;    /* that have a handler and are not in own_mask */
	uint64_t function, arguments[3];
	uint64_t result; /* the thread's */
	uint32_t mxcsr;
	uint32_t ended_by;           /* INJECT_BY_* */
	uint64_t xstate;             /* address of an XSAVE area */
	uint64_t top;                /* address of struct inject_top */
	uint64_t ended_pc;           /* behind the system call, where it ends with EINTR */
	uint64_t pending, action[4]; /* the thread's */
	uint64_t registers[14];      /* rax rcx rdx rsi rdi rbp r8-r15 */
	uint32_t report;             /* the signal by which the thread reports */
};

/* Lies directly below the red zone. */
struct inject_top {
	uint64_t rbx, flags, pc;
};

static_assert(offsetof(struct inject_block, function) == INJECT_FUNCTION, "stub-*.S uses it");
static_assert(offsetof(struct inject_block, result) == INJECT_RESULT, "stub-*.S uses it");
static_assert(offsetof(struct inject_block, ended_by) == INJECT_ENDED_BY, "stub-*.S uses it");
static_assert(offsetof(struct inject_block, ended_pc) == INJECT_ENDED_PC, "stub-*.S uses it");
static_assert(offsetof(struct inject_block, action) == INJECT_ACTION, "stub-*.S uses it");
static_assert(offsetof(struct inject_block, report) == INJECT_REPORT, "stub-*.S uses it");
static_assert(offsetof(struct inject_block, registers) == INJECT_REGISTERS, "stub-*.S uses it");
#endif

#endif
