/*
 * What cannot be written in C, x86-64.
 *
 * vfork: the child shares our memory and runs on the parent's stack, so the wrapper's return
 * address may not lie there: it stays in %rdi over the system call, as in libc's own. The child
 * is marked in shim_self, so that it records nothing; the old value comes back in the parent
 * (%esi, which the kernel keeps), also where a vfork child calls vfork.
 */
#include <sys/syscall.h>

#include "preload/arch-offsets.h"

	.text
	.globl	vfork
	.type	vfork, @function
	.p2align 4
vfork:
	.cfi_startproc
	endbr64
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdi
	movq	shim_self@gottpoff(%rip), %rdx
	movl	%fs:SHIM_SELF_IN_VFORK(%rdx), %esi
	movl	$SYS_vfork, %eax
	syscall
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rip, 0
	testl	%eax, %eax
	jz	1f
	movl	%esi, %fs:SHIM_SELF_IN_VFORK(%rdx)
	js	2f
	ret
1:	incl	%esi
	movl	%esi, %fs:SHIM_SELF_IN_VFORK(%rdx)
	ret
2:	movl	%eax, %edi
	jmp	process_vfork_failed
	.cfi_endproc
	.size	vfork, .-vfork

/*
 * execl, execlp, execle: any number of arguments. The exec is noted, then the real function gets
 * registers and stack as they came (%al counts vector registers).
 */
	.macro	exec_variadic name, which
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	endbr64
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	pushq	%rax
	.cfi_adjust_cfa_offset 56
	movl	$\which, %edi
	call	process_exec_variadic
	movq	%rax, %r11
	popq	%rax
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	.cfi_adjust_cfa_offset -56
	jmp	*%r11
	.cfi_endproc
	.size	\name, .-\name
	.endm

	exec_variadic execl, PROCESS_EXECL
	exec_variadic execlp, PROCESS_EXECLP
	exec_variadic execle, PROCESS_EXECLE

	.section .note.GNU-stack, "", @progbits
