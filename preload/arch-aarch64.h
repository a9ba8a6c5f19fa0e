/* What depends on the processor, aarch64: how a system call is made. */
#ifndef LOCKJAM_ARCH_H
#define LOCKJAM_ARCH_H

#include <elf.h>

#define ARCH_ELF_MACHINE EM_AARCH64

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

static inline void arch_pause(void)
{
	__asm__ volatile("yield");
}

#endif
