/*
 * What injection knows of the processor: one file each, inject-x86_64.c with stub-x86_64.S, and
 * inject-none.c where it is not supported.
 */
#ifndef LOCKJAM_INJECT_ARCH_H
#define LOCKJAM_INJECT_ARCH_H

#include "collector/inject/inject_block.h"
#include "collector/inject/inject_trace.h"
#include "collector/proc/proc.h"

/* Of the thread's stack, for our block and its strings. */
#define INJECT_STACK (40 * 1024)

bool inject_arch_is_supported(void);
/* The code that the thread runs. */
const void *inject_arch_code(size_t *size);

/* 64 bit, in user mode: what the functions below are about. */
bool inject_arch_is_known(const struct user_regs_struct *regs);
uint64_t inject_arch_sp(const struct user_regs_struct *regs);
uint64_t inject_arch_pc(const struct user_regs_struct *regs);
uint64_t inject_arch_tls(const struct user_regs_struct *regs);

/* Whether the stop has interrupted a system call; its number and arguments. */
bool inject_arch_interrupted(const struct user_regs_struct *regs, struct proc_syscall *call);
/* One that ended with EINTR shall be repeated unless a handler runs. False: it has not so ended. */
bool inject_arch_repeat(struct user_regs_struct *regs);
/* The time limit of epoll_wait(), in milliseconds, for when it is repeated. */
void inject_arch_set_limit(struct user_regs_struct *regs, uint64_t ms);

/*
 * Where a call leads. code[0..size) are the bytes before its return address; or, with `is_call`
 * false, the first bytes of a stub of the PLT at `address`. *is_slot: *target is the address of a
 * pointer to the function.
 */
#define INJECT_CALL_SIZE 16
bool inject_arch_call_target(const uint8_t *code, uint64_t address, bool is_call, uint64_t *target,
			     bool *is_slot);

/* The registers with which the thread runs the code at `pc`, with this block and stack. */
void inject_arch_enter(struct user_regs_struct *regs, uint64_t pc, uint64_t block, uint64_t sp);
/* The thread is where the code at `pc` reports about this block. */
bool inject_arch_is_report(const struct user_regs_struct *regs, uint64_t pc, uint64_t block);
/* How the thread goes back by itself. `top` is the address below its red zone. */
void inject_arch_way_back(const struct trace_state *before, uint64_t top_address,
			  struct inject_block *block, struct inject_top *top);
/* The highest address below the thread's frame, for struct inject_top. */
uint64_t inject_arch_top(const struct user_regs_struct *regs);

#endif
