/*
 * See call_limit.h. The arguments are those of the kernel's calls, not of libc's functions: select() of
 * libc may be pselect6 with a timespec of libc's own.
 */
#include <sys/syscall.h>
#include <time.h>

#include "preload/call_limit.h"

#define SECOND_NS UINT64_C(1000000000)

enum form {
	MILLISECONDS, /* an int; < 0: none */
	TIMESPEC,     /* a pointer; NULL: none */
	TIMEVAL,
};

static const struct {
	long number;
	unsigned argument;
	enum form form;
} limits[] = {
#ifdef SYS_poll
	{SYS_poll, 2, MILLISECONDS},
	{SYS_select, 4, TIMEVAL},
	{SYS_epoll_wait, 3, MILLISECONDS},
#endif
	{SYS_ppoll, 2, TIMESPEC},
	{SYS_pselect6, 4, TIMESPEC},
	{SYS_epoll_pwait, 3, MILLISECONDS},
	{SYS_epoll_pwait2, 3, TIMESPEC},
	{SYS_nanosleep, 0, TIMESPEC},
	{SYS_clock_nanosleep, 2, TIMESPEC},
	{SYS_semtimedop, 3, TIMESPEC},
	{SYS_rt_sigtimedwait, 2, TIMESPEC},
	{SYS_recvmmsg, 4, TIMESPEC},
	{SYS_mq_timedreceive, 4, TIMESPEC},
	{SYS_mq_timedsend, 4, TIMESPEC},
	{SYS_io_getevents, 4, TIMESPEC},
};

static uint64_t time_ns(const int64_t time[2], uint64_t unit_ns)
{
	if (time[0] < 0 || (uint64_t)time[0] > SEG_NO_LIMIT / SECOND_NS / 2)
		return SEG_NO_LIMIT;
	return (uint64_t)time[0] * SECOND_NS + (uint64_t)time[1] * unit_ns;
}

/* Both forms are two words. */
static uint64_t read_time(uintptr_t address, uint64_t unit_ns)
{
	if (!address)
		return SEG_NO_LIMIT;
	if (!sys_is_readable(address) || !sys_is_readable(address + 15))
		return 0;
	return time_ns((const int64_t *)address, unit_ns);
}

static uint64_t read_limit(enum form form, uint64_t value)
{
	if (form == MILLISECONDS)
		return (int)value < 0 ? SEG_NO_LIMIT : (uint64_t)(int)value * 1000000;
	return read_time(value, form == TIMEVAL ? 1000 : 1);
}

/* Of clock_nanosleep(), by the clock that it was given. */
static uint64_t left_ns(long clock, uint64_t until_ns)
{
	struct timespec now;

	if (sys2(SYS_clock_gettime, clock, &now) < 0)
		return 0;
	uint64_t now_ns = (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;

	return until_ns > now_ns ? until_ns - now_ns : 0;
}

uint64_t call_limit_ns(const struct arch_call *call)
{
	if (call->number == SYS_clock_nanosleep && call->args[1] & TIMER_ABSTIME)
		return left_ns((int)call->args[0], read_time(call->args[2], 1));
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].number == call->number)
			return read_limit(limits[i].form, call->args[limits[i].argument]);
	return SEG_NO_LIMIT;
}
