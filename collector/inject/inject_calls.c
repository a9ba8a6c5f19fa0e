#include "config.h"

#include "collector/inject/inject_calls.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static const char waits_for_lock[] = "waits for a lock: it would lose its place";

struct rule {
	long number;
	enum inject_call way;
	bool has_fd; /* the first argument: a socket may have a time limit, see below */
	int flags;   /* index of the argument with recv's flags, 0 none */
	enum inject_limit_form form;
	unsigned limit; /* index of the argument with the time limit */
};

/* signal(7), "Interruption of system calls and library functions by stop signals". */
static const struct rule rules[] = {
	{.number = SYS_read, .way = INJECT_CALL_KERNEL, .has_fd = true},
	{.number = SYS_readv, .way = INJECT_CALL_KERNEL, .has_fd = true},
	{.number = SYS_recvfrom, .way = INJECT_CALL_KERNEL, .has_fd = true, .flags = 3},
	{.number = SYS_recvmsg, .way = INJECT_CALL_KERNEL, .has_fd = true, .flags = 2},
	{.number = SYS_accept, .way = INJECT_CALL_KERNEL, .has_fd = true},
	{.number = SYS_accept4, .way = INJECT_CALL_KERNEL, .has_fd = true},
	{.number = SYS_ppoll, .way = INJECT_CALL_KERNEL, .form = INJECT_LIMIT_TIMESPEC, .limit = 2},
	{.number = SYS_pselect6,
	 .way = INJECT_CALL_KERNEL,
	 .form = INJECT_LIMIT_TIMESPEC,
	 .limit = 4},
	{.number = SYS_nanosleep, .way = INJECT_CALL_KERNEL},
	{.number = SYS_clock_nanosleep, .way = INJECT_CALL_KERNEL},
	{.number = SYS_futex, .way = INJECT_CALL_KERNEL},
	{.number = SYS_rt_sigsuspend, .way = INJECT_CALL_KERNEL},
	{.number = SYS_wait4, .way = INJECT_CALL_KERNEL},
	{.number = SYS_waitid, .way = INJECT_CALL_KERNEL},
	{.number = SYS_restart_syscall, .way = INJECT_CALL_KERNEL},
	{.number = SYS_epoll_pwait,
	 .way = INJECT_CALL_ENDLESS,
	 .form = INJECT_LIMIT_MS,
	 .limit = 3},
#ifdef SYS_epoll_wait /* architectures as old as that */
	{.number = SYS_epoll_wait, .way = INJECT_CALL_ENDLESS, .form = INJECT_LIMIT_MS, .limit = 3},
	{.number = SYS_poll, .way = INJECT_CALL_KERNEL},
	{.number = SYS_select, .way = INJECT_CALL_KERNEL, .form = INJECT_LIMIT_TIMEVAL, .limit = 4},
	{.number = SYS_pause, .way = INJECT_CALL_KERNEL},
#endif
	{.number = SYS_rt_sigtimedwait, .way = INJECT_CALL_ENDLESS, .limit = 2},
};

static const struct rule *find_rule(long number)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].number == number)
			return &rules[i];
	return NULL;
}

/*
 * What the descriptor's SO_RCVTIMEO and SO_RCVLOWAT say: with a time limit such a call ends with
 * EINTR, and how much was left nobody knows; waiting for several bytes it ends with the first of
 * them. Asked of a duplicate, which for a socket has no effect on the original.
 */
static bool is_plain(pid_t pid, int fd)
{
	struct timeval limit = {0};
	int low = 1;
	socklen_t size = sizeof(limit), low_size = sizeof(low);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int copy = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	bool is = copy >= 0;

	if (is && getsockopt(copy, SOL_SOCKET, SO_RCVTIMEO, &limit, &size))
		is = errno == ENOTSOCK;
	else if (is && getsockopt(copy, SOL_SOCKET, SO_RCVLOWAT, &low, &low_size))
		is = false;
	if (copy >= 0)
		close(copy);
	if (pidfd >= 0)
		close(pidfd);
	return is && !limit.tv_sec && !limit.tv_usec && low <= 1;
}

enum inject_call inject_call_judge(pid_t pid, const struct proc_syscall *call, const char **reason)
{
	const struct rule *rule = find_rule(call->number);

	*reason = "waits in a system call that cannot be repeated exactly";
	if (call->number == SYS_fcntl || call->number == SYS_flock)
		*reason = waits_for_lock;
	if (!rule)
		return INJECT_CALL_NEVER;
	/* Locks of libc wait with FUTEX_WAIT, all else with FUTEX_WAIT_BITSET. */
	if (rule->number == SYS_futex && (call->args[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET) {
		*reason = waits_for_lock;
		return INJECT_CALL_NEVER;
	}
	if (rule->flags && (call->args[rule->flags] & MSG_WAITALL))
		return INJECT_CALL_NEVER;
	if (rule->has_fd && !is_plain(pid, (int)call->args[0])) {
		*reason = "waits at a socket with a time limit, of which the rest is not known";
		return INJECT_CALL_NEVER;
	}
	if (rule->number == SYS_rt_sigtimedwait && call->args[rule->limit]) {
		*reason = "waits for a signal with a time limit, of which the rest is not known";
		return INJECT_CALL_NEVER;
	}
	if (rule->form == INJECT_LIMIT_MS && (int)call->args[rule->limit] >= 0)
		return INJECT_CALL_TIMED;
	return rule->way;
}

enum inject_limit_form inject_call_limit(long number, unsigned *argument)
{
	const struct rule *rule = find_rule(number);

	*argument = rule ? rule->limit : 0;
	return rule ? rule->form : INJECT_LIMIT_NONE;
}
