/*
 * The thunks, aarch64: see thunk.h.
 *
 * x16 and x17 are the registers that a veneer may spoil (AAPCS64); no argument travels in them.
 */
#include <sys/syscall.h>

#include "preload/arch-offsets.h"

#define REGS 0     /* 34 words, DWARF order: x0 to x30, sp, pc, pstate */
#define VEC 272    /* 8 vector registers */
#define RECORD 400 /* frame record: x29, x30 */
#define FRAME 416

	.set	thunk_number, 0

/* Its slow path is also what its entry of the table points to until the function is known. */
.macro THUNK name, way
	.text
	.p2align 4
	.globl	\name
	.type	\name, %function
\name:
	.cfi_startproc
	adrp	x16, :gottprel:shim_self
	ldr	x16, [x16, #:gottprel_lo12:shim_self]
	mrs	x17, tpidr_el0
	add	x16, x16, x17
	ldr	x16, [x16, #SHIM_SELF_FRAME]
	cbnz	x16, .Lslow_\name
	adrp	x16, thunk_real+8*thunk_number
	ldr	x16, [x16, #:lo12:thunk_real+8*thunk_number]
	br	x16
.Lslow_\name:
	mov	w17, #thunk_number
	b	.Lenter_\way
	.cfi_endproc
	.size	\name, .-\name

	.data
	.quad	.Lslow_\name
	.set	thunk_number, thunk_number+1
.endm

.macro SAVE
	sub	sp, sp, #FRAME
	.cfi_adjust_cfa_offset FRAME
	stp	x29, x30, [sp, #RECORD]
	.cfi_rel_offset x29, RECORD
	.cfi_rel_offset x30, RECORD+8
	stp	x0, x1, [sp, #REGS]
	stp	x2, x3, [sp, #REGS+16]
	stp	x4, x5, [sp, #REGS+32]
	stp	x6, x7, [sp, #REGS+48]
	stp	x8, x9, [sp, #REGS+64]
	stp	x10, x11, [sp, #REGS+80]
	stp	x12, x13, [sp, #REGS+96]
	stp	x14, x15, [sp, #REGS+112]
	stp	x16, x17, [sp, #REGS+128]
	stp	x18, x19, [sp, #REGS+144]
	stp	x20, x21, [sp, #REGS+160]
	stp	x22, x23, [sp, #REGS+176]
	stp	x24, x25, [sp, #REGS+192]
	stp	x26, x27, [sp, #REGS+208]
	stp	x28, x29, [sp, #REGS+224]
	add	x16, sp, #FRAME
	stp	x30, x16, [sp, #REGS+240]
	stp	x30, xzr, [sp, #REGS+256]
	stp	q0, q1, [sp, #VEC]
	stp	q2, q3, [sp, #VEC+32]
	stp	q4, q5, [sp, #VEC+64]
	stp	q6, q7, [sp, #VEC+96]
	add	x29, sp, #RECORD
.endm

.macro RESTORE
	ldp	q0, q1, [sp, #VEC]
	ldp	q2, q3, [sp, #VEC+32]
	ldp	q4, q5, [sp, #VEC+64]
	ldp	q6, q7, [sp, #VEC+96]
	ldp	x0, x1, [sp, #REGS]
	ldp	x2, x3, [sp, #REGS+16]
	ldp	x4, x5, [sp, #REGS+32]
	ldp	x6, x7, [sp, #REGS+48]
	ldr	x8, [sp, #REGS+64]
.endm

.macro ENTER
	mov	w0, w17
	add	x1, sp, #REGS
	bl	thunk_enter
	mov	x16, x0
	RESTORE
.endm

.macro LEAVE_FRAME
	ldp	x29, x30, [sp, #RECORD]
	.cfi_restore x29
	.cfi_restore x30
	add	sp, sp, #FRAME
	.cfi_adjust_cfa_offset -FRAME
.endm

	.data
	.p2align 3
	.globl	thunk_real
	.hidden	thunk_real
	.type	thunk_real, %object
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
	.type	thunk_tail, %function
thunk_tail:
.Lenter_CALL:
.Lenter_JUMP:
.Lenter_ACT:
	.cfi_startproc
	SAVE
	ENTER
	LEAVE_FRAME
	br	x16
	.cfi_endproc
	.size	thunk_tail, .-thunk_tail

/* The real function returns to us. Only for functions without arguments on the stack. */
	.p2align 4
	.type	thunk_return, %function
thunk_return:
.Lenter_ALLOC:
.Lenter_LOCK:
	.cfi_startproc
	SAVE
	ENTER
	/* Without a handler there is nothing to see at its return: it takes our place. */
	adrp	x17, :gottprel:shim_self
	ldr	x17, [x17, #:gottprel_lo12:shim_self]
	mrs	x9, tpidr_el0
	add	x17, x17, x9
	ldr	x17, [x17, #SHIM_SELF_FRAME]
	cbz	x17, .Lreturn_directly
	blr	x16
	str	x0, [sp, #REGS]
	bl	thunk_leave
	ldr	x0, [sp, #REGS]
	.cfi_remember_state
	LEAVE_FRAME
	ret
	.cfi_restore_state
.Lreturn_directly:
	LEAVE_FRAME
	br	x16
	.cfi_endproc
	.size	thunk_return, .-thunk_return

/*
 * syscall(): where programs load a seccomp filter, see wrap_prctl.c. Only a jump otherwise, as it may
 * return twice (SYS_clone).
 */
.macro TO_SYSCALL
	adrp	x16, syscall_real
	ldr	x16, [x16, #:lo12:syscall_real]
	br	x16
.endm

	.p2align 4
	.globl	syscall
	.type	syscall, %function
syscall:
	.cfi_startproc
	cmp	w0, #SYS_seccomp
	b.eq	.Lseccomp
	TO_SYSCALL
.Lseccomp:
	SAVE
	add	x0, sp, #REGS
	bl	syscall_seccomp
	RESTORE
	LEAVE_FRAME
	TO_SYSCALL
.Lfind_syscall:
	SAVE
	bl	syscall_find
	RESTORE
	LEAVE_FRAME
	TO_SYSCALL
	.cfi_endproc
	.size	syscall, .-syscall

	.data
	.p2align 3
	.globl	syscall_real
	.hidden	syscall_real
	.type	syscall_real, %object
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
	.type	latch_\name, %function
latch_\name:
	.cfi_startproc
	SAVE
	bl	\hook
	RESTORE
	LEAVE_FRAME
	adrp	x16, latch_\name\()_real
	ldr	x16, [x16, #:lo12:latch_\name\()_real]
	br	x16
	.cfi_endproc
	.size	latch_\name, .-latch_\name

	.bss
	.p2align 3
	.globl	latch_\name\()_real
	.hidden	latch_\name\()_real
	.type	latch_\name\()_real, %object
	.size	latch_\name\()_real, 8
latch_\name\()_real:
	.zero	8
.endm

	LATCH dlopen, latch_before_load
	LATCH dlclose, latch_before_unload
	LATCH dlsym, latch_before_symbol
	LATCH dlvsym, latch_before_symbol

	.section .note.GNU-stack, "", %progbits
