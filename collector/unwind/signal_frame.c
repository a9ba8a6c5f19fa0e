/* See signal_frame.h. */
#include "config.h"

#include "collector/unwind/signal_frame.h"

#include <signal.h>
#include <string.h>

/* What siginfo_t says, if it looks like one: without SA_SIGINFO the kernel puts nothing there. */
static int siginfo_signal(const struct unwind_start *start, uint64_t sp)
{
	int info[4]; /* si_signo, si_errno, si_code, padding */

	if (!start->read(start->context, arch_siginfo_address(sp), info, sizeof(info)))
		return 0;
	bool is_code = info[2] >= SI_ASYNCNL && info[2] <= SI_KERNEL;

	return info[0] > 0 && info[0] < _NSIG && !info[1] && is_code && !info[3] ? info[0] : 0;
}

int signal_frame_signo(const struct unwind_start *start, const struct unwind_frame *raw,
		       uint64_t *blocked)
{
	uint64_t sp = raw->regs[ARCH_SP], before, added;
	int said;

	if (!(raw->known & (UINT64_C(1) << ARCH_SP)))
		return 0;
	said = siginfo_signal(start, sp);
	if (!start->read(start->context, arch_sigmask_address(sp), &before, sizeof(before)))
		return 0;
	added = *blocked & ~before;
	*blocked = before;
	if (!added || (said && (added >> (said - 1) & 1)))
		return said;
	return added & (added - 1) ? 0 : ffsll((long long)added);
}
