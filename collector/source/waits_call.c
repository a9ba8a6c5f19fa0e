/* What a thread waits for, by the system call that it is in. See waits.h. */
#include "config.h"

#include "collector/source/waits.h"

#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/arch/syscall_name.h"

static void wait_for_signal(struct waiting *w)
{
	waiting_is(w, WAIT_SIGNAL, "a signal");
	waiting_need(w);
	waiting_unseen(w, "any process may send one");
	if (w->call.number == SYS_rt_sigtimedwait)
		waiting_timespec(w, w->call.args[2]);
}

/* A sleep, a poll() or a futex that was stopped and goes on with the rest of its time. */
static void wait_restarted(struct waiting *w)
{
	waiting_is(w, WAIT_UNKNOWN, "the rest of a call that was stopped");
	waiting_until(w, UINT64_MAX);
	waiting_unseen(w, "the kernel does not tell which call it was");
}

static const struct {
	long number;
	void (*find)(struct waiting *w);
} calls[] = {
	{SYS_wait4, waiting_wait4},
	{SYS_waitid, waiting_waitid},
	{SYS_nanosleep, waiting_sleep},
	{SYS_clock_nanosleep, waiting_sleep},
#ifdef SYS_pause
	{SYS_pause, wait_for_signal},
#endif
	{SYS_rt_sigsuspend, wait_for_signal},
	{SYS_rt_sigtimedwait, wait_for_signal},
	{SYS_futex, waiting_futex},
#ifdef SYS_semop
	{SYS_semop, waiting_semop},
#endif
	{SYS_semtimedop, waiting_semop},
	{SYS_msgrcv, waiting_sysv_message},
	{SYS_msgsnd, waiting_sysv_message},
	{SYS_mq_timedreceive, waiting_posix_message},
	{SYS_mq_timedsend, waiting_posix_message},
	{SYS_restart_syscall, wait_restarted},
	{SYS_read, waiting_input},
	{SYS_readv, waiting_input},
	{SYS_recvfrom, waiting_input},
	{SYS_recvmsg, waiting_input},
	{SYS_recvmmsg, waiting_input},
	{SYS_accept, waiting_input},
	{SYS_accept4, waiting_input},
	{SYS_sendto, waiting_output},
	{SYS_sendmsg, waiting_output},
	{SYS_sendmmsg, waiting_output},
	{SYS_connect, waiting_output},
	{SYS_pread64, waiting_input},
	{SYS_preadv, waiting_input},
	{SYS_splice, waiting_input},
	{SYS_tee, waiting_input},
	{SYS_write, waiting_output},
	{SYS_writev, waiting_output},
	{SYS_pwrite64, waiting_output},
	{SYS_pwritev, waiting_output},
	{SYS_sendfile, waiting_output},
#ifdef SYS_open
	{SYS_open, waiting_open},
#endif
	{SYS_openat, waiting_open},
#ifdef SYS_poll
	{SYS_poll, waiting_poll},
#endif
	{SYS_ppoll, waiting_poll},
#ifdef SYS_select
	{SYS_select, waiting_select},
#endif
	{SYS_pselect6, waiting_select},
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, waiting_epoll},
#endif
	{SYS_epoll_pwait, waiting_epoll},
	{SYS_epoll_pwait2, waiting_epoll},
};

static const char *call_name(const struct waiting *w)
{
	const char *name = syscall_name(w->call.number);

	if (w->call.number < 0)
		return "no system call";
	return name ? name : model_stringf(w->m, "system call %ld", w->call.number);
}

/* What the descriptor that the call is about leads to; NULL unknown. */
static const char *file_of(const struct waiting *w)
{
	char link[PATH_MAX];

	if (!syscall_has_descriptor(w->call.number) ||
	    proc_readlink(w->all->g->proc, link, sizeof(link), "%d/fd/%d", w->pid,
			  (int)w->call.args[0]))
		return NULL;
	return model_string(w->m, link);
}

static void wait_for_unknown(struct waiting *w)
{
	const char *file = file_of(w);

	if (file)
		waiting_is(w, WAIT_UNKNOWN, "the end of %s() on %s", call_name(w), file);
	else if (w->call.number < 0)
		waiting_is(w, WAIT_UNKNOWN, "something outside of a system call");
	else
		waiting_is(w, WAIT_UNKNOWN, "the end of %s()", call_name(w));
	waiting_unseen(w, "what could end it is not known");
}

static bool is_vfork(const struct waiting *w)
{
#ifdef SYS_vfork
	if (w->call.number == SYS_vfork)
		return true;
#endif
	return w->call.number == SYS_clone || w->call.number == SYS_clone3;
}

/* Uninterruptible: a disk, a file server. Where in the kernel it is helps who knows it. */
static void wait_for_disk(struct waiting *w)
{
	char wchan[128] = "";
	const char *file = file_of(w);

	if (proc_read_some(w->all->g->proc, wchan, sizeof(wchan), "%d/task/%d/wchan", w->pid,
			   w->tid) <= 0 ||
	    !strcmp(wchan, "0"))
		strcpy(wchan, "");
	waiting_is(w, WAIT_DISK, "a device or file server, in %s()%s%s%s%s%s", call_name(w),
		   file ? " on " : "", file ? file : "", *wchan ? " (in the kernel's " : "", wchan,
		   *wchan ? ")" : "");
	waiting_need(w);
	waiting_unseen(w, "the kernel waits for it");
}

/* A 32-bit program has its stack down there; its calls have other numbers. */
static bool is_compat(const struct waiting *w)
{
	return sizeof(void *) == 8 && w->call.sp && w->call.sp <= UINT32_MAX;
}

void waiting_in_call(struct waiting *w)
{
	if (is_compat(w)) {
		waiting_is(w, WAIT_UNKNOWN, "the end of a system call");
		waiting_unseen(w, "the calls of 32-bit programs are not understood");
		return;
	}
	if (w->task.state == 'D') {
		(is_vfork(w) ? waiting_vfork : wait_for_disk)(w);
		return;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i].number != w->call.number)
			continue;
		calls[i].find(w);
		return;
	}
	wait_for_unknown(w);
}
