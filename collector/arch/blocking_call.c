/* See blocking_call.h. */
#include "config.h"

#include "collector/arch/blocking_call.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>

static const struct blocking_call calls[] = {
	{SYS_accept, "accept", CALL_RESTARTS, true},
	{SYS_accept4, "accept4", CALL_RESTARTS, true},
	{SYS_clock_nanosleep, "clock_nanosleep", CALL_NEVER_RESTARTS, false},
	{SYS_connect, "connect", CALL_RESTARTS, true},
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, "epoll_wait", CALL_NEVER_RESTARTS, true},
#endif
	{SYS_epoll_pwait, "epoll_pwait", CALL_NEVER_RESTARTS, true},
	{SYS_epoll_pwait2, "epoll_pwait2", CALL_NEVER_RESTARTS, true},
	{SYS_fcntl, "fcntl", CALL_RESTARTS, true},
	{SYS_flock, "flock", CALL_RESTARTS, true},
	{SYS_futex, "futex", CALL_RESTARTS, false},
	{SYS_ioctl, "ioctl", CALL_RESTARTS, true},
	{SYS_io_getevents, "io_getevents", CALL_NEVER_RESTARTS, false},
	{SYS_mq_timedreceive, "mq_timedreceive", CALL_RESTARTS, true},
	{SYS_mq_timedsend, "mq_timedsend", CALL_RESTARTS, true},
	{SYS_msgrcv, "msgrcv", CALL_NEVER_RESTARTS, false},
	{SYS_msgsnd, "msgsnd", CALL_NEVER_RESTARTS, false},
	{SYS_nanosleep, "nanosleep", CALL_NEVER_RESTARTS, false},
#ifdef SYS_open
	{SYS_open, "open", CALL_RESTARTS, false},
#endif
	{SYS_openat, "openat", CALL_RESTARTS, false},
#ifdef SYS_pause
	{SYS_pause, "pause", CALL_NEVER_RESTARTS, false},
#endif
#ifdef SYS_poll
	{SYS_poll, "poll", CALL_NEVER_RESTARTS, false},
#endif
	{SYS_ppoll, "ppoll", CALL_NEVER_RESTARTS, false},
	{SYS_pselect6, "pselect", CALL_NEVER_RESTARTS, false},
	{SYS_read, "read", CALL_RESTARTS, true},
	{SYS_readv, "readv", CALL_RESTARTS, true},
	{SYS_recvfrom, "recvfrom", CALL_RESTARTS, true},
	{SYS_recvmmsg, "recvmmsg", CALL_RESTARTS, true},
	{SYS_recvmsg, "recvmsg", CALL_RESTARTS, true},
	{SYS_rt_sigsuspend, "sigsuspend", CALL_NEVER_RESTARTS, false},
	{SYS_rt_sigtimedwait, "sigtimedwait", CALL_NEVER_RESTARTS, false},
#ifdef SYS_select
	{SYS_select, "select", CALL_NEVER_RESTARTS, false},
#endif
	{SYS_semop, "semop", CALL_NEVER_RESTARTS, false},
	{SYS_semtimedop, "semtimedop", CALL_NEVER_RESTARTS, false},
	{SYS_sendmmsg, "sendmmsg", CALL_RESTARTS, true},
	{SYS_sendmsg, "sendmsg", CALL_RESTARTS, true},
	{SYS_sendto, "sendto", CALL_RESTARTS, true},
	{SYS_wait4, "wait4", CALL_RESTARTS, false},
	{SYS_waitid, "waitid", CALL_RESTARTS, false},
	{SYS_write, "write", CALL_RESTARTS, true},
	{SYS_writev, "writev", CALL_RESTARTS, true},
};

const struct blocking_call *blocking_call_find(long number, const uint64_t args[6])
{
	int command = (int)args[1];

	if (number == SYS_fcntl && command != F_SETLKW && command != F_OFD_SETLKW)
		return NULL;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return &calls[i];
	return NULL;
}
