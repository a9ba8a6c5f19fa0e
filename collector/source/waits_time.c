/* Waits that end by themselves: sleep, and limits of time. See waits.h. */
#include "config.h"

#include "collector/source/waits.h"

#include <sys/syscall.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

static uint64_t now_of(int clock)
{
	struct timespec now;

	return clock_gettime(clock, &now) ? 0 : now.tv_sec * SECOND + now.tv_nsec;
}

uint64_t waits_now_ns(void)
{
	return now_of(CLOCK_MONOTONIC);
}

/* Nanoseconds; UINT64_MAX: not one that the kernel would have taken. */
static uint64_t span(int64_t seconds, int64_t ns)
{
	if (seconds < 0 || ns < 0 || ns >= (int64_t)SECOND ||
	    (uint64_t)seconds > INT64_MAX / SECOND - 1)
		return UINT64_MAX;
	return (uint64_t)seconds * SECOND + (uint64_t)ns;
}

void waiting_timespec(struct waiting *w, uint64_t address)
{
	int64_t t[2];

	if (!address)
		return;
	waiting_for(w, waiting_read(w, address, t, sizeof(t)) ? span(t[0], t[1]) : UINT64_MAX);
}

void waiting_timeval(struct waiting *w, uint64_t address)
{
	int64_t t[2];

	if (!address)
		return;
	if (!waiting_read(w, address, t, sizeof(t)) || t[1] < 0 || t[1] >= 1000000)
		waiting_until(w, UINT64_MAX);
	else
		waiting_for(w, span(t[0], t[1] * 1000));
}

/* Clocks that can be set, or of somebody's processor time, tell no moment of ours: those of a wall
 * clock are taken as if nobody would set it. */
void waiting_deadline(struct waiting *w, uint64_t address, int clock)
{
	int64_t t[2];
	uint64_t there = now_of(clock), when;
	bool is_known = clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME ||
			clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;

	if (!address)
		return;
	if (!is_known || !there || !waiting_read(w, address, t, sizeof(t)) ||
	    (when = span(t[0], t[1])) == UINT64_MAX) {
		waiting_until(w, UINT64_MAX);
		return;
	}
	uint64_t now = waits_now_ns(), left = when > there ? when - there : 0;

	waiting_until(w, left < UINT64_MAX - now ? now + left : UINT64_MAX);
}

void waiting_sleep(struct waiting *w)
{
	const uint64_t *args = w->call.args;

	waiting_is(w, WAIT_SLEEP, "time to pass");
	if (w->call.number == SYS_nanosleep)
		waiting_timespec(w, args[0]);
	else if ((int)args[1] & TIMER_ABSTIME)
		waiting_deadline(w, args[2], (int)args[0]);
	else
		waiting_timespec(w, args[2]);
	waiting_until(w, UINT64_MAX); /* whatever could be read: it ends */
}
