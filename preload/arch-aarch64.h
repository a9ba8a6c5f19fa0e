/* What depends on the processor, aarch64: system calls, saved contexts, jump buffers. */
#ifndef LOCKJAM_ARCH_H
#define LOCKJAM_ARCH_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define ARCH_ELF_MACHINE EM_AARCH64

/* Relocations that make a word the address of a function. */
#define ARCH_RELOCATION_CALL R_AARCH64_JUMP_SLOT
#define ARCH_RELOCATION_GOT R_AARCH64_GLOB_DAT
#define ARCH_RELOCATION_WORD R_AARCH64_ABS64

/* The kernel's answer: a value, or a negative errno. errno itself is not touched. */
static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#define ARCH_REGS 34 /* DWARF order: x0 to x30, sp, then pc and pstate */
#define ARCH_REG_FP 29
#define ARCH_REG_SP 31
#define ARCH_REG_PC 32
#define ARCH_REG_ARG0 0
#define ARCH_REG_ARG1 1
#define ARCH_REG_ARG3 3
#define ARCH_RED_ZONE 0

static inline uintptr_t arch_context_sp(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.sp;
}

static inline uintptr_t arch_context_fp(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.regs[29];
}

static inline uintptr_t arch_context_pc(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.pc;
}

/* The guard is the loader's own here: not known. */
static inline uintptr_t arch_jump_sp(const void *env)
{
	(void)env;
	return 0;
}

/* A system call that the context is about to make, or has come back from. */
struct arch_call {
	long number;
	uint64_t args[6];
	uintptr_t pc; /* of the instruction */
};
#define ARCH_CALL_BYTES 4
#define ARCH_CALL_REACH 4 /* bytes of code before it that are looked at */

/* The number it would be, if the pc stands on a system call: a look at the code must follow. */
static inline long arch_context_call_number(const ucontext_t *context)
{
	return (long)context->uc_mcontext.regs[8];
}

static inline bool arch_call_at(const ucontext_t *context, uintptr_t pc, struct arch_call *call)
{
	if (*(const uint32_t *)pc != 0xd4000001) /* svc #0 */
		return false;
	call->number = arch_context_call_number(context);
	call->pc = pc;
	for (int i = 0; i < 6; i++)
		call->args[i] = context->uc_mcontext.regs[i];
	return true;
}

static inline bool arch_context_call(const ucontext_t *context, struct arch_call *call)
{
	return arch_call_at(context, arch_context_pc(context), call);
}

/* What a call that has just returned gave. */
static inline long arch_context_result(const ucontext_t *context)
{
	return (long)context->uc_mcontext.regs[0];
}

/*
 * The call that the context has come back from: ARCH_CALL_REACH bytes before the pc can be read. Its first
 * argument has made room for the result.
 */
static inline bool arch_context_ended_call(const ucontext_t *context, struct arch_call *call)
{
	if (!arch_call_at(context, arch_context_pc(context) - ARCH_CALL_BYTES, call))
		return false;
	call->args[0] = UINT64_MAX;
	return true;
}

static inline void arch_pause(void)
{
	__asm__ volatile("yield");
}

/* Where we are: always inline, so that the registers are those of the function that asks. */
static inline __attribute__((always_inline)) void arch_here(uint64_t *pc, uint64_t *sp, uint64_t *fp)
{
	__asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29"
			 : "=r"(*pc), "=r"(*sp), "=r"(*fp));
}

/* A return address as it stands on the stack, without the signature in its upper bits. */
static inline uint64_t arch_strip_pc(uint64_t pc)
{
	return pc & ((UINT64_C(1) << 48) - 1);
}

#endif
