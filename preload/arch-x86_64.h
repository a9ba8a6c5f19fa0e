/* What depends on the processor, x86-64: how a system call is made. */
#ifndef LOCKJAM_ARCH_H
#define LOCKJAM_ARCH_H

#include <elf.h>

#define ARCH_ELF_MACHINE EM_X86_64

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

static inline void arch_pause(void)
{
	__asm__ volatile("pause");
}

#endif
