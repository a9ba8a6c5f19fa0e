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

	.section .note.GNU-stack, "", @progbits
