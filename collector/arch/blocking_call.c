/* See blocking_call.h. */
#include "config.h"

#include "collector/arch/blocking_call.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>

static const struct blocking_call calls[] = {
	{SYS_accept, CALL_RESTARTS},
	{SYS_accept4, CALL_RESTARTS},
	{SYS_clock_nanosleep, CALL_NEVER_RESTARTS},
	{SYS_connect, CALL_RESTARTS},
#ifdef SYS_epoll_wait
	{SYS_epoll_wait, CALL_NEVER_RESTARTS},
#endif
	{SYS_epoll_pwait, CALL_NEVER_RESTARTS},
	{SYS_epoll_pwait2, CALL_NEVER_RESTARTS},
	{SYS_fcntl, CALL_RESTARTS},
	{SYS_flock, CALL_RESTARTS},
	{SYS_futex, CALL_RESTARTS},
	{SYS_ioctl, CALL_RESTARTS},
	{SYS_io_getevents, CALL_NEVER_RESTARTS},
	{SYS_mq_timedreceive, CALL_RESTARTS},
	{SYS_mq_timedsend, CALL_RESTARTS},
	{SYS_msgrcv, CALL_NEVER_RESTARTS},
	{SYS_msgsnd, CALL_NEVER_RESTARTS},
	{SYS_nanosleep, CALL_NEVER_RESTARTS},
#ifdef SYS_open
	{SYS_open, CALL_RESTARTS},
#endif
	{SYS_openat, CALL_RESTARTS},
#ifdef SYS_pause
	{SYS_pause, CALL_NEVER_RESTARTS},
#endif
#ifdef SYS_poll
	{SYS_poll, CALL_NEVER_RESTARTS},
#endif
	{SYS_ppoll, CALL_NEVER_RESTARTS},
	{SYS_pselect6, CALL_NEVER_RESTARTS},
	{SYS_read, CALL_RESTARTS},
	{SYS_readv, CALL_RESTARTS},
	{SYS_recvfrom, CALL_RESTARTS},
	{SYS_recvmmsg, CALL_RESTARTS},
	{SYS_recvmsg, CALL_RESTARTS},
	{SYS_rt_sigsuspend, CALL_NEVER_RESTARTS},
	{SYS_rt_sigtimedwait, CALL_NEVER_RESTARTS},
#ifdef SYS_select
	{SYS_select, CALL_NEVER_RESTARTS},
#endif
	{SYS_semop, CALL_NEVER_RESTARTS},
	{SYS_semtimedop, CALL_NEVER_RESTARTS},
	{SYS_sendmmsg, CALL_RESTARTS},
	{SYS_sendmsg, CALL_RESTARTS},
	{SYS_sendto, CALL_RESTARTS},
	{SYS_wait4, CALL_RESTARTS},
	{SYS_waitid, CALL_RESTARTS},
	{SYS_write, CALL_RESTARTS},
	{SYS_writev, CALL_RESTARTS},
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
