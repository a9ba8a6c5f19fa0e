#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/inject/inject_arch.h"

#define USER_CODE 0x33 /* %cs of 64 bit */
#define FLAGS 0x202    /* interrupts are on, nothing else is set */
#define MXCSR 0x1f80   /* all exceptions masked, round to nearest */
#define RED_ZONE 128
#define SYSCALL_SIZE 2 /* bytes of the instruction */

/* The kernel's own codes for calls that it is about to repeat (linux/errno.h). */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

extern const char inject_stub[] __attribute__((visibility("hidden")));
extern const char inject_stub_report[] __attribute__((visibility("hidden")));
extern const char inject_stub_end[] __attribute__((visibility("hidden")));

bool inject_arch_is_supported(void)
{
	return true;
}

const void *inject_arch_code(size_t *size)
{
	*size = (size_t)(inject_stub_end - inject_stub);
	return inject_stub;
}

bool inject_arch_is_known(const struct user_regs_struct *regs)
{
	return regs->cs == USER_CODE;
}

uint64_t inject_arch_sp(const struct user_regs_struct *regs)
{
	return regs->rsp;
}

uint64_t inject_arch_pc(const struct user_regs_struct *regs)
{
	return regs->rip;
}

uint64_t inject_arch_tls(const struct user_regs_struct *regs)
{
	return regs->fs_base;
}

static long result_of(const struct user_regs_struct *regs)
{
	return (long)regs->orig_rax >= 0 ? (long)regs->rax : 0;
}

static bool is_repeated_by_kernel(long result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK;
}

bool inject_arch_interrupted(const struct user_regs_struct *regs, struct proc_syscall *call)
{
	long result = result_of(regs);

	if (!is_repeated_by_kernel(result) && result != -EINTR)
		return false;
	*call = (struct proc_syscall){
		.number = (long)regs->orig_rax,
		.args = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
		.sp = regs->rsp,
		.pc = regs->rip,
	};
	return true;
}

bool inject_arch_repeat(struct user_regs_struct *regs)
{
	if (result_of(regs) != -EINTR)
		return false;
	regs->rax = (unsigned long long)-ERESTARTNOHAND;
	return true;
}

/* The fourth argument. Functions do not keep it. */
void inject_arch_set_limit(struct user_regs_struct *regs, uint64_t ms)
{
	regs->r10 = ms;
}

/* address + a displacement of 32 bits */
static uint64_t displaced(uint64_t address, const uint8_t *code)
{
	int32_t displacement;

	memcpy(&displacement, code, sizeof(displacement));
	return address + (uint64_t)(int64_t)displacement;
}

bool inject_arch_call_target(const uint8_t *code, uint64_t address, bool is_call, uint64_t *target,
			     bool *is_slot)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const uint8_t *end = code + INJECT_CALL_SIZE;
	size_t at = 0;

	if (is_call) {
		*is_slot = end[-6] == 0xff && end[-5] == 0x15; /* call *slot(%rip) */
		*target = displaced(address, end - 4);
		return *is_slot || end[-5] == 0xe8;
	}
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		at += sizeof(endbr64);
	at += code[at] == 0xf2; /* bnd */
	*is_slot = true;
	*target = displaced(address + at + 6, code + at + 2);
	return code[at] == 0xff && code[at + 1] == 0x25; /* jmp *slot(%rip) */
}

void inject_arch_enter(struct user_regs_struct *regs, uint64_t pc, uint64_t block, uint64_t sp)
{
	regs->orig_rax = (unsigned long long)-1; /* nothing is to be repeated now */
	regs->rip = pc;
	regs->rbx = block;
	regs->rsp = sp;
	regs->eflags = FLAGS;
}

bool inject_arch_is_report(const struct user_regs_struct *regs, uint64_t pc, uint64_t block)
{
	return regs->rip == pc + (uint64_t)(inject_stub_report - inject_stub) && regs->rbx == block;
}

uint64_t inject_arch_top(const struct user_regs_struct *regs)
{
	return regs->rsp - RED_ZONE - sizeof(struct inject_top);
}

/* What the kernel would do, done by the thread: see stub-x86_64.S. */
static void repeat(const struct user_regs_struct *r, struct inject_block *block,
		   struct inject_top *top)
{
	long result = result_of(r);

	if (!is_repeated_by_kernel(result))
		return;
	block->registers[0] =
		result == -ERESTART_RESTARTBLOCK ? (uint64_t)SYS_restart_syscall : r->orig_rax;
	top->pc = r->rip - SYSCALL_SIZE;
	block->ended_pc = r->rip;
	if (result == -ERESTARTSYS)
		block->ended_by = INJECT_BY_NOT_RESTART;
	else if (result != -ERESTARTNOINTR)
		block->ended_by = INJECT_BY_ANY;
}

void inject_arch_way_back(const struct trace_state *before, uint64_t top_address,
			  struct inject_block *block, struct inject_top *top)
{
	const struct user_regs_struct *r = &before->regs;
	const uint64_t registers[] = {r->rax, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8,
				      r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};

	static_assert(sizeof(registers) == sizeof(block->registers), "the stub's order");
	memcpy(block->registers, registers, sizeof(registers));
	block->mxcsr = MXCSR;
	block->top = top_address;
	block->own_mask = before->mask;
	*top = (struct inject_top){r->rbx, r->eflags, r->rip};
	repeat(r, block, top);
}
