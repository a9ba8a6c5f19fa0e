/*
 * What the victims with signal handlers share: signals that arrive in a known function, and
 * whether the allocator was interrupted.
 */
#ifndef LOCKJAM_VICTIM_HANDLER_H
#define LOCKJAM_VICTIM_HANDLER_H

#include "victim.h"

#include <dlfcn.h>
#include <stdint.h>
#include <sys/time.h>
#include <ucontext.h>

static inline uintptr_t victim_pc(const void *context)
{
	const ucontext_t *uc = context;
#ifdef __x86_64__
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#else
	return (uintptr_t)uc->uc_mcontext.pc;
#endif
}

/* libc's own malloc, whoever interposes it. */
static inline uintptr_t victim_libc_malloc(void)
{
	void *libc = dlopen("libc.so.6", RTLD_NOLOAD | RTLD_LAZY);
	void *address = libc ? dlsym(libc, "malloc") : NULL;

	if (!address)
		errx(99, "no malloc in libc.so.6");
	return (uintptr_t)address;
}

/* glibc's allocator is one object file: its functions stand around malloc(). */
static inline bool victim_is_allocator(uintptr_t pc, uintptr_t libc_malloc)
{
	return pc > libc_malloc - 0x3000 && pc < libc_malloc + 0x1800;
}

static inline void victim_handle(int signo, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };

	victim_must(sigaction(signo, &action, NULL), "sigaction");
}

/* SIGALRM every `usec` microseconds; 0 ends it. */
static inline void victim_alarm_every(suseconds_t usec)
{
	struct itimerval when = { { 0, usec }, { 0, usec } };

	victim_must(setitimer(ITIMER_REAL, &when, NULL), "setitimer");
}

#endif
