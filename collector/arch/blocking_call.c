/* See blocking_call.h. */
#include "config.h"

#include "collector/arch/blocking_call.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>

static const struct blocking_call calls[] = {
	{SYS_accept, "accept", CALL_RESTARTS},
	{SYS_accept4, "accept4", CALL_RESTARTS},
	{SYS_clock_nanosleep, "clock_nanosleep", CALL_NEVER_RESTARTS},
	{SYS_connect, "connect", CALL_RESTARTS},
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, "epoll_wait", CALL_NEVER_RESTARTS},
#endif
	{SYS_epoll_pwait, "epoll_pwait", CALL_NEVER_RESTARTS},
	{SYS_epoll_pwait2, "epoll_pwait2", CALL_NEVER_RESTARTS},
	{SYS_fcntl, "fcntl", CALL_RESTARTS},
	{SYS_flock, "flock", CALL_RESTARTS},
	{SYS_futex, "futex", CALL_RESTARTS},
	{SYS_ioctl, "ioctl", CALL_RESTARTS},
	{SYS_io_getevents, "io_getevents", CALL_NEVER_RESTARTS},
	{SYS_mq_timedreceive, "mq_timedreceive", CALL_RESTARTS},
	{SYS_mq_timedsend, "mq_timedsend", CALL_RESTARTS},
	{SYS_msgrcv, "msgrcv", CALL_NEVER_RESTARTS},
	{SYS_msgsnd, "msgsnd", CALL_NEVER_RESTARTS},
	{SYS_nanosleep, "nanosleep", CALL_NEVER_RESTARTS},
#ifdef SYS_open
	{SYS_open, "open", CALL_RESTARTS},
#endif
	{SYS_openat, "openat", CALL_RESTARTS},
#ifdef SYS_pause
	{SYS_pause, "pause", CALL_NEVER_RESTARTS},
#endif
#ifdef SYS_poll
	{SYS_poll, "poll", CALL_NEVER_RESTARTS},
#endif
	{SYS_ppoll, "ppoll", CALL_NEVER_RESTARTS},
	{SYS_pselect6, "pselect", CALL_NEVER_RESTARTS},
	{SYS_read, "read", CALL_RESTARTS},
	{SYS_readv, "readv", CALL_RESTARTS},
	{SYS_recvfrom, "recvfrom", CALL_RESTARTS},
	{SYS_recvmmsg, "recvmmsg", CALL_RESTARTS},
	{SYS_recvmsg, "recvmsg", CALL_RESTARTS},
	{SYS_rt_sigsuspend, "sigsuspend", CALL_NEVER_RESTARTS},
	{SYS_rt_sigtimedwait, "sigtimedwait", CALL_NEVER_RESTARTS},
#ifdef SYS_select
	{SYS_select, "select", CALL_NEVER_RESTARTS},
#endif
	{SYS_semop, "semop", CALL_NEVER_RESTARTS},
	{SYS_semtimedop, "semtimedop", CALL_NEVER_RESTARTS},
	{SYS_sendmmsg, "sendmmsg", CALL_RESTARTS},
	{SYS_sendmsg, "sendmsg", CALL_RESTARTS},
	{SYS_sendto, "sendto", CALL_RESTARTS},
	{SYS_wait4, "wait4", CALL_RESTARTS},
	{SYS_waitid, "waitid", CALL_RESTARTS},
	{SYS_write, "write", CALL_RESTARTS},
	{SYS_writev, "writev", CALL_RESTARTS},
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
