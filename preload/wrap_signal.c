/*
 * sigaction() and the older ways to install a handler. All of them lead to signal_install(), with
 * what libc's own would have asked the kernel for (glibc 2.36: signal/, sysdeps/posix/, facts
 * only), so that one system call changes the disposition, as without us.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/lookup.h"
#include "preload/real.h"
#include "preload/signal.h"
#include "preload/sys.h"

/* Signals that siginterrupt() has told signal() to install without SA_RESTART; bit n-1. */
static _Atomic uint64_t interrupting;

static uint64_t bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

static bool is_valid(int signo)
{
	return signo >= 1 && signo <= SIGNAL_COUNT && signo != 32 && signo != 33;
}

static sighandler_t install(int signo, sighandler_t handler, int flags, uint64_t mask,
			    enum seg_install way)
{
	struct sigaction act = {0}, old = {0};

	act.sa_handler = handler;
	act.sa_flags = flags;
	memcpy(&act.sa_mask, &mask, sizeof(mask));
	return signal_install(signo, &act, &old, way) < 0 ? SIG_ERR : old.sa_handler;
}

/*
 * What siginterrupt() was told before a late shim came is known to libc alone. Between its call and ours
 * the handler is installed without us.
 */
static sighandler_t install_by_libc(int signo, sighandler_t handler)
{
	struct sigaction now = {0};
	sighandler_t old;

	if (signal_install(signo, NULL, &now, 0) < 0)
		return SIG_ERR;
	old = real()->signal(signo, handler);
	if (old != SIG_ERR)
		signal_refresh(signo, SEG_INSTALL_SIGNAL);
	return old == SIG_ERR ? SIG_ERR : now.sa_handler;
}

static sighandler_t install_bsd(int signo, sighandler_t handler)
{
	if (handler == SIG_ERR || !is_valid(signo)) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (lookup_is_late())
		return install_by_libc(signo, handler);
	return install(signo, handler, atomic_load(&interrupting) & bit(signo) ? 0 : SA_RESTART,
		       bit(signo), SEG_INSTALL_SIGNAL);
}

static sighandler_t install_sysv(int signo, sighandler_t handler)
{
	if (handler == SIG_ERR || !is_valid(signo)) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return install(signo, handler, SA_RESETHAND | SA_NODEFER, 0, SEG_INSTALL_SYSV);
}

SHIM_EXPORT int sigaction(int signo, const struct sigaction *restrict act,
			  struct sigaction *restrict oldact)
{
	return signal_install(signo, act, oldact, SEG_INSTALL_SIGACTION);
}

int __sigaction(int signo, const struct sigaction *act, struct sigaction *oldact);
SHIM_EXPORT int __sigaction(int signo, const struct sigaction *act, struct sigaction *oldact)
{
	return signal_install(signo, act, oldact, SEG_INSTALL_SIGACTION);
}

SHIM_EXPORT sighandler_t signal(int signo, sighandler_t handler)
{
	return install_bsd(signo, handler);
}

sighandler_t bsd_signal(int signo, sighandler_t handler);
SHIM_EXPORT sighandler_t bsd_signal(int signo, sighandler_t handler)
{
	return install_bsd(signo, handler);
}

SHIM_EXPORT sighandler_t ssignal(int signo, sighandler_t handler)
{
	return install_bsd(signo, handler);
}

SHIM_EXPORT sighandler_t __sysv_signal(int signo, sighandler_t handler)
{
	return install_sysv(signo, handler);
}

SHIM_EXPORT sighandler_t sysv_signal(int signo, sighandler_t handler)
{
	return install_sysv(signo, handler);
}

SHIM_EXPORT int siginterrupt(int signo, int interrupt)
{
	int ret = real()->siginterrupt(signo, interrupt);

	if (ret == 0 && interrupt)
		atomic_fetch_or(&interrupting, bit(signo));
	else if (ret == 0)
		atomic_fetch_and(&interrupting, ~bit(signo));
	if (ret == 0)
		signal_refresh(signo, SEG_INSTALL_CHANGE);
	return ret;
}

static int change_mask(int how, uint64_t signals, uint64_t *old)
{
	long ret = sys4(SYS_rt_sigprocmask, how, &signals, old, sizeof(signals));

	if (ret < 0)
		errno = (int)-ret;
	return ret < 0 ? -1 : 0;
}

/* SIG_HOLD as an argument blocks the signal; as a result it says that it was blocked. */
SHIM_EXPORT sighandler_t sigset(int signo, sighandler_t handler)
{
	struct sigaction now;
	sighandler_t old;
	uint64_t mask;

	if (!is_valid(signo)) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (handler == SIG_HOLD) {
		if (change_mask(SIG_BLOCK, bit(signo), &mask) < 0)
			return SIG_ERR;
		if (mask & bit(signo))
			return SIG_HOLD;
		return signal_install(signo, NULL, &now, 0) < 0 ? SIG_ERR : now.sa_handler;
	}
	old = install(signo, handler, 0, 0, SEG_INSTALL_SIGSET);
	if (old == SIG_ERR || change_mask(SIG_UNBLOCK, bit(signo), &mask) < 0)
		return SIG_ERR;
	return mask & bit(signo) ? SIG_HOLD : old;
}

SHIM_EXPORT int sigignore(int signo)
{
	struct sigaction act = {.sa_handler = SIG_IGN};

	return signal_install(signo, &act, NULL, SEG_INSTALL_SIGSET);
}
