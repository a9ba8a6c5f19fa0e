#include "config.h"

#include "collector/arch/arch.h"

#include <errno.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

/* Its functions keep the frame pointer at the bottom of the frame: unwinding rarely needs this. */
bool arch_frame_pointer_offset(const uint8_t *code, size_t size, uint64_t *offset)
{
	(void)code, (void)size, (void)offset;
	return false;
}

bool arch_is_after_call(const uint8_t *code, size_t size)
{
	uint32_t instruction;

	if (size < sizeof(instruction))
		return false;
	memcpy(&instruction, code + size - sizeof(instruction), sizeof(instruction));
	return (instruction & 0xfc000000) == 0x94000000 || /* bl */
	       (instruction & 0xfffffc1f) == 0xd63f0000;   /* blr */
}

/* Which system call it was is in x8 alone, also long after it: not told. */
bool arch_read_prstatus(const void *note, size_t size, struct arch_prstatus *status)
{
	struct elf_prstatus raw;

	if (size < sizeof(raw))
		return false;
	memcpy(&raw, note, sizeof(raw));
	status->tid = raw.pr_pid;
	status->signo = raw.pr_cursig;
	status->blocked = raw.pr_sighold;
	status->syscall = -1;
	memset(status->args, 0, sizeof(status->args));
	/* x0-x30, sp, pc: the order of DWARF's numbers and of ours. */
	memcpy(status->regs, raw.pr_reg, sizeof(status->regs));
	return true;
}

bool arch_read_regset(const void *set, size_t size, struct arch_stopped *stopped)
{
	struct user_regs_struct r;

	if (size != sizeof(r))
		return false;
	memcpy(&r, set, sizeof(r));
	memcpy(stopped->regs, &r, sizeof(stopped->regs)); /* x0-x30, sp, pc */
	stopped->original = -1;
	return true;
}

/* Here the kernel has prepared the repetition before the stop: the pc is on the `svc #0` again, x8
 * has the number. One that ended with EINTR cannot be told from one that ended so before. */
void arch_find_interrupted(struct arch_stopped *stopped, uint32_t code)
{
	stopped->has_ended = false;
	stopped->syscall = code == 0xd4000001 ? (long)stopped->regs[8] : -1;
}

/* struct rt_sigframe begins with it. */
uint64_t arch_siginfo_address(uint64_t sp)
{
	return sp;
}

/* It follows the siginfo. */
uint64_t arch_ucontext_address(uint64_t sp)
{
	return sp + 128;
}

/* x0-x5 */
const unsigned arch_syscall_registers[6] = {0, 1, 2, 3, 4, 5};

/* siginfo (128), then struct ucontext: flags, link, stack (24), mask. */
uint64_t arch_sigmask_address(uint64_t sp)
{
	return sp + 168;
}

/* mov x8, #139; svc #0 */
bool arch_is_sigreturn(const uint8_t *code, size_t size)
{
	return size >= 8 && !memcmp(code, "\x68\x11\x80\xd2\x01\0\0\xd4", 8);
}

/* siginfo (128), then struct ucontext: flags, link, stack (24), mask (128, and 8 to align struct
 * sigcontext), fault_address (8). */
uint64_t arch_saved_address(uint64_t sp)
{
	return sp + 128 + 176 + 8;
}

/* x0-x30, sp, pc: the order of DWARF's numbers and of ours. */
void arch_saved_registers(const uint64_t *saved, uint64_t regs[ARCH_REGS])
{
	memcpy(regs, saved, ARCH_REGS * sizeof(*regs));
}
