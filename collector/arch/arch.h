/*
 * What unwinding knows of the processor that lockjam was built for. One file per processor:
 * arch-x86_64.c, arch-aarch64.c.
 */
#ifndef LOCKJAM_ARCH_H
#define LOCKJAM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/segment.h"

#if defined(__x86_64__)
#define ARCH_NAME "x86-64"
#define ARCH_MACHINE 62 /* EM_X86_64 */
#define ARCH_REGS 17    /* DWARF numbers 0..15 and the return address column */
#define ARCH_SP 7
#define ARCH_FP 6
#define ARCH_PC 16
#define ARCH_PC_IS_REGISTER 1 /* among libdwfl's registers of a thread */
/* What a function finds again after it called another: rbx, rbp, rsp, r12-r15, and the pc. */
#define ARCH_KEPT_BY_CALLS UINT64_C(0x1f0c8)
#define ARCH_FP_SETUP 3   /* mov %rsp,%rbp */
#define ARCH_RED_ZONE 128 /* below the stack pointer, that functions without calls may use */
#define ARCH_RESTART_NEEDS_CODE 0
#elif defined(__aarch64__)
#define ARCH_NAME "AArch64"
#define ARCH_MACHINE 183 /* EM_AARCH64 */
#define ARCH_REGS 33
#define ARCH_SP 31
#define ARCH_FP 29
#define ARCH_PC 32
#define ARCH_PC_IS_REGISTER 0
/* x19-x30, sp, pc */
#define ARCH_KEPT_BY_CALLS UINT64_C(0x1fff80000)
#define ARCH_FP_SETUP 4
#define ARCH_RED_ZONE 0
#define ARCH_RESTART_NEEDS_CODE 1
#else
#error "this processor needs its numbers here and a file arch-*.c"
#endif
#define ARCH_ALL_REGS ((UINT64_C(1) << ARCH_REGS) - 1)
static_assert(ARCH_REGS <= SEG_REGS_MAX, "a segment's findings hold all registers");

/*
 * How far above the stack pointer (as it is at a call) a function has its frame pointer.
 * code[0..size) begins with the ARCH_FP_SETUP bytes that set it up and ends at the call or before.
 * False if it does not begin so.
 */
bool arch_frame_pointer_offset(const uint8_t *code, size_t size, uint64_t *offset);

/* code[0..size) are the last bytes before an address: do they end with a call? */
bool arch_is_after_call(const uint8_t *code, size_t size);

/* A thread as a core has it. */
struct arch_prstatus {
	pid_t tid;
	int signo;        /* that it had got, 0 none */
	uint64_t blocked; /* mask of its signals, bit n - 1 for signal n; 0 may be unknown */
	long syscall;     /* that it was in, -1 none or unknown */
	uint64_t args[6]; /* of the call */
	uint64_t regs[ARCH_REGS];
};

/* note[0..size) is the content of NT_PRSTATUS; false if it is too short. */
bool arch_read_prstatus(const void *note, size_t size, struct arch_prstatus *status);

#define ARCH_REGSET_MAX 512 /* bytes of NT_PRSTATUS by PTRACE_GETREGSET; ours have 216 and 272 */

/* A thread in a stop of ptrace. */
struct arch_stopped {
	uint64_t regs[ARCH_REGS];
	long original; /* x86-64: the system call that it came from, -1 none */
	/* Filled by arch_find_interrupted(): */
	long syscall;   /* that the stop interrupted, -1 none */
	bool has_ended; /* it ends with EINTR; else it is asked again */
};

/* False if it is the set of another architecture (a 32-bit process). Fills all but what
 * arch_find_interrupted() does. */
bool arch_read_regset(const void *set, size_t size, struct arch_stopped *stopped);
/* code: the four bytes at the pc, if ARCH_RESTART_NEEDS_CODE. Source: the kernel's
 * arch_do_signal_or_restart (x86), do_signal (arm64). */
void arch_find_interrupted(struct arch_stopped *stopped, uint32_t code);

/*
 * Where a signal frame has its siginfo_t, given the stack pointer in the frame that calls
 * sigreturn. The kernel fills it only for handlers with SA_SIGINFO.
 */
uint64_t arch_siginfo_address(uint64_t sp);
/* Where it has the mask that is put back when the handler returns. */
uint64_t arch_sigmask_address(uint64_t sp);

/*
 * code[0..size) begins with a call of rt_sigreturn: where a handler returns to. Restorers of libcs
 * other than glibc have no unwind information that says so.
 */
#define ARCH_SIGRETURN_MAX 9
bool arch_is_sigreturn(const uint8_t *code, size_t size);
/* The registers that are put back then, as the kernel saved them: an array of ARCH_SAVED_WORDS
 * at an address, and brought into DWARF's order. */
uint64_t arch_saved_address(uint64_t sp);
void arch_saved_registers(const uint64_t *saved, uint64_t regs[ARCH_REGS]);

/* What the kernel passes to a handler: DWARF numbers of the registers. The second is that of
 * arch_siginfo_address(), the third the address below. */
#if defined(__x86_64__)
#define ARCH_HANDLER_SIGNO 5 /* rdi, rsi, rdx */
#define ARCH_HANDLER_INFO 4
#define ARCH_HANDLER_CONTEXT 1
#define ARCH_SAVED_WORDS 17
#else
#define ARCH_HANDLER_SIGNO 0
#define ARCH_HANDLER_INFO 1
#define ARCH_HANDLER_CONTEXT 2
#define ARCH_SAVED_WORDS 33
#endif
/* Where a signal frame has its ucontext_t. */
uint64_t arch_ucontext_address(uint64_t sp);

/* The DWARF numbers of the registers that hold a system call's arguments while it is blocked. */
extern const unsigned arch_syscall_registers[6];

#endif
