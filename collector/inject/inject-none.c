/* A processor for which injection has not been written. */
#include "config.h"

#include "collector/inject/inject_arch.h"

bool inject_arch_is_supported(void)
{
	return false;
}

const void *inject_arch_code(size_t *size)
{
	*size = 0;
	return NULL;
}

bool inject_arch_is_known(const struct user_regs_struct *regs)
{
	(void)regs;
	return false;
}

uint64_t inject_arch_sp(const struct user_regs_struct *regs)
{
	(void)regs;
	return 0;
}

uint64_t inject_arch_pc(const struct user_regs_struct *regs)
{
	(void)regs;
	return 0;
}

uint64_t inject_arch_tls(const struct user_regs_struct *regs)
{
	(void)regs;
	return 0;
}

bool inject_arch_interrupted(const struct user_regs_struct *regs, struct proc_syscall *call)
{
	(void)regs, (void)call;
	return false;
}

bool inject_arch_repeat(struct user_regs_struct *regs)
{
	(void)regs;
	return false;
}

void inject_arch_set_limit(struct user_regs_struct *regs, uint64_t ms)
{
	(void)regs, (void)ms;
}

bool inject_arch_call_target(const uint8_t *code, uint64_t address, bool is_call, uint64_t *target,
			     bool *is_slot)
{
	(void)code, (void)address, (void)is_call, (void)target, (void)is_slot;
	return false;
}

void inject_arch_enter(struct user_regs_struct *regs, uint64_t pc, uint64_t block, uint64_t sp)
{
	(void)regs, (void)pc, (void)block, (void)sp;
}

bool inject_arch_is_report(const struct user_regs_struct *regs, uint64_t pc, uint64_t block)
{
	(void)regs, (void)pc, (void)block;
	return false;
}

void inject_arch_way_back(const struct trace_state *before, uint64_t top_address,
			  struct inject_block *block, struct inject_top *top)
{
	(void)before, (void)top_address, (void)block, (void)top;
}

uint64_t inject_arch_top(const struct user_regs_struct *regs)
{
	(void)regs;
	return 0;
}
