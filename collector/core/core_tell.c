/* What a core says of itself, in words. */
#include "config.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "collector/core/core.h"

/* gcore stops the process, but no signal ends it. */
static bool is_stop(int signo)
{
	return signo == SIGSTOP || signo == SIGTRAP || signo == SIGTSTP;
}

void core_signal_text(const struct core *core, char *text, size_t size)
{
	const char *name = core->signo > 0 ? sigabbrev_np(core->signo) : NULL;
	char number[32];

	text[0] = 0;
	if (core->signo <= 0 || is_stop(core->signo))
		return;
	snprintf(number, sizeof(number), "signal %d", core->signo);
	int used = snprintf(text, size, "%s%s", name ? "SIG" : "", name ? name : number);

	if (used < 0 || (size_t)used >= size || !core->has_siginfo)
		return;
	if (core->si_code <= 0 && core->sender > 0)
		snprintf(text + used, size - used, " sent by process %d%s", (int)core->sender,
			 core->sender == core->pid ? " (itself)" : "");
	else if (core->si_code > 0 && (core->signo == SIGSEGV || core->signo == SIGBUS))
		snprintf(text + used, size - used, " (address 0x%llx)",
			 (unsigned long long)core->fault_address);
}

const char *core_exe(const struct core *core)
{
	const struct core_map *map = core->auxv.phdr ? core_find_map(core, core->auxv.phdr) : NULL;

	return map ? map->path : "";
}

const char *core_machine_name(uint16_t machine)
{
	switch (machine) {
	case EM_386:
		return "i386";
	case EM_X86_64:
		return "x86-64";
	case EM_AARCH64:
		return "AArch64";
	case EM_ARM:
		return "32-bit ARM";
	case EM_PPC64:
		return "PowerPC 64";
	case EM_S390:
		return "S/390";
	case EM_RISCV:
		return "RISC-V";
	case EM_LOONGARCH:
		return "LoongArch";
	default:
		return NULL;
	}
}

void core_describe(const struct core *core, char *text, size_t size)
{
	char how[128];

	core_signal_text(core, how, sizeof(how));
	text[0] = 0;
	if (core->has_psinfo)
		snprintf(text, size, "; it is of %s (pid %d)%s%s",
			 core->cmdline[0] ? core->cmdline : core->comm, (int)core->pid,
			 how[0] ? ", ended by " : "", how);
}
