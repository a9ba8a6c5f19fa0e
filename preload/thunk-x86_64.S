/*
 * The thunks, x86-64: see thunk.h.
 *
 * %r11 is the one register that a called function may spoil and that carries no argument (%al is
 * the number of vector registers of a variadic call, %r10 the static chain).
 */
#include <sys/syscall.h>

#include "preload/arch-offsets.h"

#define REGS 0   /* 17 registers, DWARF order */
#define XMM 144  /* 8 vector registers, aligned */
#define FRAME 280 /* with the return address a multiple of 16 */

	.set	thunk_number, 0

/* Its slow path is also what its entry of the table points to until the function is known. */
.macro THUNK name, way
	.text
	.p2align 5
	.globl	\name
	.type	\name, @function
\name:
	.cfi_startproc
	movq	shim_self@gottpoff(%rip), %r11
	cmpq	$0, %fs:SHIM_SELF_FRAME(%r11)
	jne	.Lslow_\name
	jmp	*thunk_real+8*thunk_number(%rip)
.Lslow_\name:
	movl	$thunk_number, %r11d
	jmp	.Lenter_\way
	.cfi_endproc
	.size	\name, .-\name

	.data
	.quad	.Lslow_\name
	.set	thunk_number, thunk_number+1
.endm

.macro SAVE
	subq	$FRAME, %rsp
	.cfi_adjust_cfa_offset FRAME
	movq	%rax, REGS+0(%rsp)
	movq	%rdx, REGS+8(%rsp)
	movq	%rcx, REGS+16(%rsp)
	movq	%rbx, REGS+24(%rsp)
	movq	%rsi, REGS+32(%rsp)
	movq	%rdi, REGS+40(%rsp)
	movq	%rbp, REGS+48(%rsp)
	leaq	FRAME+8(%rsp), %rax
	movq	%rax, REGS+56(%rsp)
	movq	%r8, REGS+64(%rsp)
	movq	%r9, REGS+72(%rsp)
	movq	%r10, REGS+80(%rsp)
	movq	%r11, REGS+88(%rsp)
	movq	%r12, REGS+96(%rsp)
	movq	%r13, REGS+104(%rsp)
	movq	%r14, REGS+112(%rsp)
	movq	%r15, REGS+120(%rsp)
	movq	FRAME(%rsp), %rax
	movq	%rax, REGS+128(%rsp)
	movaps	%xmm0, XMM+0(%rsp)
	movaps	%xmm1, XMM+16(%rsp)
	movaps	%xmm2, XMM+32(%rsp)
	movaps	%xmm3, XMM+48(%rsp)
	movaps	%xmm4, XMM+64(%rsp)
	movaps	%xmm5, XMM+80(%rsp)
	movaps	%xmm6, XMM+96(%rsp)
	movaps	%xmm7, XMM+112(%rsp)
.endm

.macro RESTORE
	movaps	XMM+0(%rsp), %xmm0
	movaps	XMM+16(%rsp), %xmm1
	movaps	XMM+32(%rsp), %xmm2
	movaps	XMM+48(%rsp), %xmm3
	movaps	XMM+64(%rsp), %xmm4
	movaps	XMM+80(%rsp), %xmm5
	movaps	XMM+96(%rsp), %xmm6
	movaps	XMM+112(%rsp), %xmm7
	movq	REGS+0(%rsp), %rax
	movq	REGS+8(%rsp), %rdx
	movq	REGS+16(%rsp), %rcx
	movq	REGS+32(%rsp), %rsi
	movq	REGS+40(%rsp), %rdi
	movq	REGS+64(%rsp), %r8
	movq	REGS+72(%rsp), %r9
	movq	REGS+80(%rsp), %r10
.endm

	.data
	.p2align 3
	.globl	thunk_real
	.hidden	thunk_real
	.type	thunk_real, @object
thunk_real:

#define UNSAFE(name, way, why) THUNK name, way
#include "preload/unsafe.list"
#include "preload/spare.def"
#undef UNSAFE

	.data
	.size	thunk_real, .-thunk_real

/* The real function takes our place: it returns to the program, and finds its stack arguments. */
	.text
	.p2align 4
	.type	thunk_tail, @function
thunk_tail:
.Lenter_CALL:
.Lenter_JUMP:
.Lenter_ACT:
	.cfi_startproc
	SAVE
	movl	%r11d, %edi
	leaq	REGS(%rsp), %rsi
	call	thunk_enter
	movq	%rax, %r11
	RESTORE
	addq	$FRAME, %rsp
	.cfi_adjust_cfa_offset -FRAME
	jmp	*%r11
	.cfi_endproc
	.size	thunk_tail, .-thunk_tail

/* The real function returns to us. Only for functions without arguments on the stack. */
	.p2align 4
	.type	thunk_return, @function
thunk_return:
.Lenter_ALLOC:
.Lenter_LOCK:
	.cfi_startproc
	SAVE
	movl	%r11d, %edi
	leaq	REGS(%rsp), %rsi
	call	thunk_enter
	movq	%rax, %r11
	RESTORE
	/* Without a handler there is nothing to see at its return: it takes our place. */
	movq	shim_self@gottpoff(%rip), %rax
	cmpq	$0, %fs:SHIM_SELF_FRAME(%rax)
	je	.Lreturn_directly
	call	*%r11
	movq	%rax, REGS(%rsp)
	call	thunk_leave
	movq	REGS(%rsp), %rax
	.cfi_remember_state
	addq	$FRAME, %rsp
	.cfi_adjust_cfa_offset -FRAME
	ret
	.cfi_restore_state
.Lreturn_directly:
	addq	$FRAME, %rsp
	.cfi_adjust_cfa_offset -FRAME
	jmp	*%r11
	.cfi_endproc
	.size	thunk_return, .-thunk_return

/*
 * syscall(): where programs load a seccomp filter, see wrap_prctl.c. Only a jump otherwise, as it may
 * return twice (SYS_clone).
 */
	.p2align 4
	.globl	syscall
	.type	syscall, @function
syscall:
	.cfi_startproc
	cmpl	$SYS_seccomp, %edi
	je	.Lseccomp
	jmp	*syscall_real(%rip)
.Lseccomp:
	SAVE
	leaq	REGS(%rsp), %rdi
	call	syscall_seccomp
	RESTORE
	addq	$FRAME, %rsp
	.cfi_adjust_cfa_offset -FRAME
	jmp	*syscall_real(%rip)
.Lfind_syscall:
	SAVE
	call	syscall_find
	RESTORE
	addq	$FRAME, %rsp
	.cfi_adjust_cfa_offset -FRAME
	jmp	*syscall_real(%rip)
	.cfi_endproc
	.size	syscall, .-syscall

	.data
	.p2align 3
	.globl	syscall_real
	.hidden	syscall_real
	.type	syscall_real, @object
	.size	syscall_real, 8
syscall_real:
	.quad	.Lfind_syscall

/*
 * In front of the loader's functions, in a shim that was loaded late: latch_thunk.h.
 */
.macro LATCH name, hook
	.text
	.p2align 4
	.globl	latch_\name
	.hidden	latch_\name
	.type	latch_\name, @function
latch_\name:
	.cfi_startproc
	endbr64
	SAVE
	call	\hook
	RESTORE
	addq	$FRAME, %rsp
	.cfi_adjust_cfa_offset -FRAME
	jmp	*latch_\name\()_real(%rip)
	.cfi_endproc
	.size	latch_\name, .-latch_\name

	.bss
	.p2align 3
	.globl	latch_\name\()_real
	.hidden	latch_\name\()_real
	.type	latch_\name\()_real, @object
	.size	latch_\name\()_real, 8
latch_\name\()_real:
	.zero	8
.endm

	LATCH dlopen, latch_before_load
	LATCH dlclose, latch_before_unload
	LATCH dlsym, latch_before_symbol
	LATCH dlvsym, latch_before_symbol

	.section .note.GNU-stack, "", @progbits
