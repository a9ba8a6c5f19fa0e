/* Waits for other threads: their end, or their coming to a barrier. */
#include "preload/wrap_hold.h"

/* A cancellation point, but for barriers; then the cleanup takes the wait off the record. */
#define JOIN_WAIT(name, kind_, object, timed, ...)                                            \
	do {                                                                                  \
		struct hold_wait wait = {                                                     \
			.kind = kind_,                                                        \
			.is_timed = timed,                                                    \
			.address = HOLD_ADDRESS(object),                                      \
			.site = HOLD_SITE,                                                    \
		};                                                                            \
		int outcome;                                                                 \
                                                                                              \
		if (track_level() != TRACK_FULL)                                              \
			return track_real()->name(__VA_ARGS__);                               \
		hold_wait_begin(&wait);                                                       \
		pthread_cleanup_push(hold_wait_cancelled, &wait);                             \
		outcome = track_real()->name(__VA_ARGS__);                                     \
		pthread_cleanup_pop(0);                                                       \
		hold_wait_end(&wait, true);                                                   \
		return outcome;                                                              \
	} while (0)

int wrap_pthread_barrier_wait(pthread_barrier_t *barrier)
{
	JOIN_WAIT(pthread_barrier_wait, SEG_WAIT_BARRIER, barrier, false, barrier);
}

int wrap_pthread_join(pthread_t thread, void **result)
{
	JOIN_WAIT(pthread_join, SEG_WAIT_JOIN, thread, false, thread, result);
}

int wrap_pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
	JOIN_WAIT(pthread_timedjoin_np, SEG_WAIT_JOIN, thread, true, thread, result, until);
}

int wrap_pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
			      const struct timespec *until)
{
	JOIN_WAIT(pthread_clockjoin_np, SEG_WAIT_JOIN, thread, true, thread, result, clock, until);
}

int wrap_thrd_join(thrd_t thread, int *result)
{
	JOIN_WAIT(thrd_join, SEG_WAIT_JOIN, thread, false, thread, result);
}
