/*
 * What cannot be written in C, aarch64. vfork: see arch-x86_64.S; the return address is in x30
 * anyway, the old value of the mark stays in w9, its address in x10.
 */
#include <sys/syscall.h>

#include "preload/arch-offsets.h"

	.text
	.globl	vfork
	.type	vfork, %function
	.p2align 4
vfork:
	.cfi_startproc
	adrp	x10, :gottprel:shim_self
	ldr	x10, [x10, #:gottprel_lo12:shim_self]
	mrs	x11, tpidr_el0
	add	x10, x10, x11
	ldr	w9, [x10, #SHIM_SELF_IN_VFORK]
	mov	x0, #0x4111		/* CLONE_VM | CLONE_VFORK | SIGCHLD */
	mov	x1, #0
	mov	x2, #0
	mov	x3, #0
	mov	x4, #0
	mov	x8, #SYS_clone
	svc	#0
	cbz	w0, 1f
	str	w9, [x10, #SHIM_SELF_IN_VFORK]
	tbnz	w0, #31, 2f
	ret
1:	add	w9, w9, #1
	str	w9, [x10, #SHIM_SELF_IN_VFORK]
	ret
2:	b	process_vfork_failed
	.cfi_endproc
	.size	vfork, .-vfork

/* execl, execlp, execle: see arch-x86_64.S. */
	.macro	exec_variadic name, which
	.globl	\name
	.type	\name, %function
	.p2align 4
\name:
	.cfi_startproc
	stp	x29, x30, [sp, #-80]!
	.cfi_def_cfa_offset 80
	.cfi_offset 29, -80
	.cfi_offset 30, -72
	mov	x29, sp
	stp	x0, x1, [sp, #16]
	stp	x2, x3, [sp, #32]
	stp	x4, x5, [sp, #48]
	stp	x6, x7, [sp, #64]
	mov	w0, #\which
	bl	process_exec_variadic
	mov	x16, x0
	ldp	x0, x1, [sp, #16]
	ldp	x2, x3, [sp, #32]
	ldp	x4, x5, [sp, #48]
	ldp	x6, x7, [sp, #64]
	ldp	x29, x30, [sp], #80
	.cfi_def_cfa_offset 0
	.cfi_restore 29
	.cfi_restore 30
	br	x16
	.cfi_endproc
	.size	\name, .-\name
	.endm

	exec_variadic execl, PROCESS_EXECL
	exec_variadic execlp, PROCESS_EXECLP
	exec_variadic execle, PROCESS_EXECLE

	.section .note.GNU-stack, "", %progbits
