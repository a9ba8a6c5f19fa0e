/*
 * The code that a thread of the target runs: it calls one function, reports, and goes back to where
 * it was taken from. Copied into the target, so it refers to nothing but its block (%rbx); the
 * stack pointer is aligned and below the block.
 *
 * The report is a signal to itself, one that is ignored: only a tracer notices. Normally the way back is
 * the tracer's: it puts the thread's registers back then, so that the kernel repeats the interrupted system call. Where nobody stops it (lockjam was
 * killed) the thread does the same by itself. Not by rt_sigreturn: that makes the kernel forget how
 * much time was left to a sleep.
 */
#include <asm/unistd.h>

#include "collector/inject/inject_block.h"

#define SIG_SETMASK 2
#define SA_RESTART 0x10000000
#define EINTR 4
#define RED_ZONE 128
#define ACTION_FLAGS (INJECT_ACTION + 8)

	.section .rodata
	.balign 16
	.globl inject_stub, inject_stub_report, inject_stub_end
	.hidden inject_stub, inject_stub_report, inject_stub_end
inject_stub:
	mov	$__NR_rt_sigprocmask, %eax
	mov	$SIG_SETMASK, %edi
	lea	INJECT_CALL_MASK(%rbx), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall
	/* As the ABI has it at a call. */
	cld
	fninit
	ldmxcsr	INJECT_MXCSR(%rbx)
	mov	INJECT_ARGUMENTS(%rbx), %rdi
	mov	INJECT_ARGUMENTS+8(%rbx), %rsi
	mov	INJECT_ARGUMENTS+16(%rbx), %rdx
	xor	%eax, %eax
	call	*INJECT_FUNCTION(%rbx)
	mov	%rax, INJECT_RESULT(%rbx)

	mov	$__NR_getpid, %eax
	syscall
	mov	%eax, %edi
	mov	$__NR_gettid, %eax
	syscall
	mov	%eax, %esi
	mov	INJECT_REPORT(%rbx), %edx
	mov	$__NR_tgkill, %eax
	syscall
inject_stub_report:

	/* Nobody has stopped us. */
	mov	INJECT_XSTATE(%rbx), %rcx
	mov	$-1, %eax
	mov	$-1, %edx
	xrstor64 (%rcx)

	/* A handler that is about to run may end the system call. */
	mov	$__NR_rt_sigpending, %eax
	lea	INJECT_PENDING(%rbx), %rdi
	mov	$8, %esi
	syscall
	mov	INJECT_PENDING(%rbx), %rax
	and	INJECT_CAUGHT(%rbx), %rax
	jz	.Lunmask
	cmpl	$INJECT_BY_NONE, INJECT_ENDED_BY(%rbx)
	je	.Lunmask
	cmpl	$INJECT_BY_ANY, INJECT_ENDED_BY(%rbx)
	je	.Lended
	bsf	%rax, %rdi
	inc	%edi
	xor	%esi, %esi
	lea	INJECT_ACTION(%rbx), %rdx
	mov	$8, %r10d
	mov	$__NR_rt_sigaction, %eax
	syscall
	testl	$SA_RESTART, ACTION_FLAGS(%rbx)
	jnz	.Lunmask
.Lended:
	movq	$-EINTR, INJECT_REGISTERS(%rbx)
	mov	INJECT_TOP(%rbx), %rax
	mov	INJECT_ENDED_PC(%rbx), %rcx
	mov	%rcx, 16(%rax)
.Lunmask:
	mov	$__NR_rt_sigprocmask, %eax
	mov	$SIG_SETMASK, %edi
	lea	INJECT_OWN_MASK(%rbx), %rsi
	xor	%edx, %edx
	mov	$8, %r10d
	syscall

	mov	INJECT_REGISTERS(%rbx), %rax
	mov	INJECT_REGISTERS+8(%rbx), %rcx
	mov	INJECT_REGISTERS+16(%rbx), %rdx
	mov	INJECT_REGISTERS+24(%rbx), %rsi
	mov	INJECT_REGISTERS+32(%rbx), %rdi
	mov	INJECT_REGISTERS+40(%rbx), %rbp
	mov	INJECT_REGISTERS+48(%rbx), %r8
	mov	INJECT_REGISTERS+56(%rbx), %r9
	mov	INJECT_REGISTERS+64(%rbx), %r10
	mov	INJECT_REGISTERS+72(%rbx), %r11
	mov	INJECT_REGISTERS+80(%rbx), %r12
	mov	INJECT_REGISTERS+88(%rbx), %r13
	mov	INJECT_REGISTERS+96(%rbx), %r14
	mov	INJECT_REGISTERS+104(%rbx), %r15
	mov	INJECT_TOP(%rbx), %rsp
	pop	%rbx
	popfq
	ret	$RED_ZONE
inject_stub_end:

	.section .note.GNU-stack, "", @progbits
