#include "config.h"

#include "collector/arch/arch.h"

#include <errno.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

bool arch_frame_pointer_offset(const uint8_t *code, size_t size, uint64_t *offset)
{
	size_t at = ARCH_FP_SETUP;

	if (size < at || (memcmp(code, "\x48\x89\xe5", 3) && memcmp(code, "\x48\x8b\xec", 3)))
		return false;
	*offset = 0;
	while (at < size) {
		if (code[at] >= 0x50 && code[at] <= 0x57) { /* push of a low register */
			*offset += 8;
			at += 1;
		} else if (at + 1 < size && code[at] == 0x41 && (code[at + 1] & 0xf8) == 0x50) {
			*offset += 8;
			at += 2;
		} else if (at + 4 <= size && !memcmp(code + at, "\x48\x83\xec", 3)) {
			*offset += code[at + 3]; /* sub $imm8,%rsp; never negative in a prologue */
			return code[at + 3] < 0x80;
		} else if (at + 7 <= size && !memcmp(code + at, "\x48\x81\xec", 3)) {
			uint32_t room;
			memcpy(&room, code + at + 3, sizeof(room));
			*offset += room;
			return room < 0x80000000;
		} else {
			return true;
		}
	}
	return true;
}

bool arch_is_after_call(const uint8_t *code, size_t size)
{
	const uint8_t *end = code + size;

	if (size >= 5 && end[-5] == 0xe8)
		return true;
	/* call *register, *disp8(...), *disp32(...) and their forms with a SIB byte: ff /2 */
	for (size_t n = 2; n <= 7 && n <= size; n++)
		if (end[-(ptrdiff_t)n] == 0xff && (end[1 - (ptrdiff_t)n] & 0x38) == 0x10)
			return true;
	return false;
}

/* DWARF's order of the registers, System V psABI for x86-64, figure 3.36. */
static void copy_registers(uint64_t regs[ARCH_REGS], const struct user_regs_struct *r)
{
	const uint64_t values[ARCH_REGS] = {r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi,
					    r->rbp, r->rsp, r->r8,  r->r9,  r->r10, r->r11,
					    r->r12, r->r13, r->r14, r->r15, r->rip};

	memcpy(regs, values, sizeof(values));
}

bool arch_read_prstatus(const void *note, size_t size, struct arch_prstatus *status)
{
	struct elf_prstatus raw;
	struct user_regs_struct r;

	if (size < sizeof(raw))
		return false;
	memcpy(&raw, note, sizeof(raw));
	memcpy(&r, raw.pr_reg, sizeof(r));
	status->tid = raw.pr_pid;
	status->signo = raw.pr_cursig;
	status->blocked = raw.pr_sighold;
	status->syscall = (long)r.orig_rax >= 0 ? (long)r.orig_rax : -1;
	memcpy(status->args, (uint64_t[]){r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9},
	       sizeof(status->args));
	copy_registers(status->regs, &r);
	return true;
}

bool arch_read_regset(const void *set, size_t size, struct arch_stopped *stopped)
{
	struct user_regs_struct r;

	if (size != sizeof(r))
		return false;
	memcpy(&r, set, sizeof(r));
	copy_registers(stopped->regs, &r);
	stopped->original = (long)r.orig_rax;
	return true;
}

/* The stop comes before the kernel decides what becomes of the call: its own codes, 512
 * (ERESTARTSYS), 513, 514 and 516, are still in rax. */
void arch_find_interrupted(struct arch_stopped *stopped, uint32_t code)
{
	long result = (long)stopped->regs[0];
	bool is_again = result == -512 || result == -513 || result == -514 || result == -516;

	(void)code;
	stopped->has_ended = stopped->original >= 0 && result == -EINTR;
	stopped->syscall =
		stopped->has_ended || (stopped->original >= 0 && is_again) ? stopped->original : -1;
}

/* struct rt_sigframe: return address (popped), ucontext (304 bytes with its mask), siginfo. */
uint64_t arch_siginfo_address(uint64_t sp)
{
	return sp + 304;
}

/* struct rt_sigframe: the return address, which is gone by now; uc; info. */
uint64_t arch_ucontext_address(uint64_t sp)
{
	return sp;
}

/* rdi, rsi, rdx, r10, r8, r9 */
const unsigned arch_syscall_registers[6] = {5, 4, 1, 10, 8, 9};

/* struct ucontext: flags, link, stack (24), sigcontext (256), mask. */
uint64_t arch_sigmask_address(uint64_t sp)
{
	return sp + 296;
}

/* mov $15,%rax (or %eax); syscall */
bool arch_is_sigreturn(const uint8_t *code, size_t size)
{
	return (size >= 9 && !memcmp(code, "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9)) ||
	       (size >= 7 && !memcmp(code, "\xb8\x0f\0\0\0\x0f\x05", 7));
}

/* struct ucontext: flags, link, stack (24), then struct sigcontext. */
uint64_t arch_saved_address(uint64_t sp)
{
	return sp + 40;
}

/* Its order, the kernel's uapi/asm/sigcontext.h: r8-r15, di, si, bp, bx, dx, ax, cx, sp, ip. */
void arch_saved_registers(const uint64_t *saved, uint64_t regs[ARCH_REGS])
{
	static const uint8_t from[ARCH_REGS] = {13, 12, 14, 11, 9, 8, 10, 15, 0,
						1,  2,  3,  4,  5, 6, 7,  16};

	for (unsigned i = 0; i < ARCH_REGS; i++)
		regs[i] = saved[from[i]];
}
