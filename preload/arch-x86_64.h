/* What depends on the processor, x86-64: system calls, saved contexts, jump buffers. */
#ifndef LOCKJAM_ARCH_H
#define LOCKJAM_ARCH_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define ARCH_ELF_MACHINE EM_X86_64

/* Relocations that make a word the address of a function. */
#define ARCH_RELOCATION_CALL R_X86_64_JUMP_SLOT
#define ARCH_RELOCATION_GOT R_X86_64_GLOB_DAT
#define ARCH_RELOCATION_WORD R_X86_64_64

/* The kernel's answer: a value, or a negative errno. errno itself is not touched. */
static inline long arch_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define ARCH_REGS 17 /* DWARF order: 16 registers, then the return address */
#define ARCH_REG_FP 6
#define ARCH_REG_SP 7
#define ARCH_REG_PC 16
#define ARCH_REG_ARG0 5
#define ARCH_REG_ARG1 4
#define ARCH_REG_ARG3 2
#define ARCH_RED_ZONE 128 /* bytes below the stack pointer that a function may use */

static inline uintptr_t arch_context_sp(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
}

static inline uintptr_t arch_context_fp(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
}

static inline uintptr_t arch_context_pc(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

/*
 * The stack pointer that a jmp_buf of glibc leads to. It is stored as word 6, rotated and mixed with the guard
 * of the thread's control block (glibc, sysdeps/unix/sysv/linux/x86_64/pointer_guard.h, since 2.4).
 * 0 where that is not known.
 */
static inline uintptr_t arch_jump_sp(const void *env)
{
	uintptr_t sp = ((const uintptr_t *)env)[6], guard;

	__asm__("movq %%fs:0x30, %0" : "=r"(guard));
	return (sp >> 17 | sp << 47) ^ guard;
}

/* A system call that the context is about to make, or has come back from. */
struct arch_call {
	long number;
	uint64_t args[6];
	uintptr_t pc; /* of the instruction */
};
#define ARCH_CALL_BYTES 2
#define ARCH_CALL_REACH 24 /* bytes of code before it that are looked at */

/* The number it would be, if the pc stands on a system call: a look at the code must follow. */
static inline long arch_context_call_number(const ucontext_t *context)
{
	return (long)context->uc_mcontext.gregs[REG_RAX];
}

/* The kernel keeps all six while a call runs. */
static inline void arch_context_args(const ucontext_t *context, uint64_t args[6])
{
	static const uint8_t registers[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};

	for (int i = 0; i < 6; i++)
		args[i] = (uint64_t)context->uc_mcontext.gregs[registers[i]];
}

static inline bool arch_context_call(const ucontext_t *context, struct arch_call *call)
{
	const uint8_t *code = (const uint8_t *)arch_context_pc(context);

	if (code[0] != 0x0f || code[1] != 0x05) /* syscall */
		return false;
	call->number = arch_context_call_number(context);
	call->pc = arch_context_pc(context);
	arch_context_args(context, call->args);
	return true;
}

/* What a call that has just returned gave. */
static inline long arch_context_result(const ucontext_t *context)
{
	return (long)context->uc_mcontext.gregs[REG_RAX];
}

/*
 * The call that the context has come back from: ARCH_CALL_REACH bytes before the pc can be read. The number
 * is gone from its register; it is believed where it was loaded as a constant right before.
 */
static inline bool arch_context_ended_call(const ucontext_t *context, struct arch_call *call)
{
	const uint8_t *at = (const uint8_t *)arch_context_pc(context) - ARCH_CALL_BYTES;

	if (at[0] != 0x0f || at[1] != 0x05)
		return false;
	call->pc = (uintptr_t)at;
	call->number = -1;
	if (at[-2] == 0x31 && at[-1] == 0xc0) /* xor %eax, %eax */
		call->number = 0;
	/* mov $N, %eax; 0x41 before it makes it another register */
	for (int i = 5; call->number < 0 && i < ARCH_CALL_REACH - ARCH_CALL_BYTES; i++)
		if (at[-i] == 0xb8 && at[-i - 1] != 0x41 && !at[-i + 3] && !at[-i + 4])
			call->number = at[-i + 1] | at[-i + 2] << 8;
	arch_context_args(context, call->args);
	return call->number >= 0;
}

static inline void arch_pause(void)
{
	__asm__ volatile("pause");
}

/* Where we are: always inline, so that the registers are those of the function that asks. */
static inline __attribute__((always_inline)) void arch_here(uint64_t *pc, uint64_t *sp, uint64_t *fp)
{
	__asm__ volatile("leaq 0(%%rip), %0\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
			 : "=r"(*pc), "=r"(*sp), "=r"(*fp));
}

/* A return address as it stands on the stack, without what the processor mixes into it. */
static inline uint64_t arch_strip_pc(uint64_t pc)
{
	return pc;
}

#endif
