/*
 * Condition variables. libc gives the mutex up and takes it again inside the call, whatever its result: so
 * it is recorded, on cancellation too.
 *
 * An unversioned definition answers references to any version. The functions of before glibc 2.3.2 had another
 * pthread_cond_t; on 64-bit machines no program of that time is left. What is called is the default one.
 */
#include <errno.h>

#include "preload/sync.h"
#include "preload/wrap_hold.h"

/* The mutex is not ours after ENOTRECOVERABLE only. */
#define COND_WAIT(name, condition, mutex, timed, ...)                                         \
	do {                                                                                  \
		struct hold_wait wait = {                                                     \
			.kind = SEG_WAIT_CONDITION,                                           \
			.is_timed = timed,                                                    \
			.address = HOLD_ADDRESS(condition),                                   \
			.second = HOLD_ADDRESS(mutex),                                        \
			.site = HOLD_SITE,                                                    \
		};                                                                            \
		int result;                                                                   \
                                                                                              \
		if (track_level() != TRACK_FULL)                                              \
			return track_real()->name(__VA_ARGS__);                               \
		hold_wait_begin(&wait);                                                       \
		pthread_cleanup_push(hold_wait_cancelled, &wait);                             \
		result = track_real()->name(__VA_ARGS__);                                     \
		pthread_cleanup_pop(0);                                                       \
		hold_wait_end(&wait, result != ENOTRECOVERABLE);                              \
		return result;                                                                \
	} while (0)

#define COND_SIGNAL(name, condition)                                                          \
	do {                                                                                  \
		sync_happened(SEG_WAIT_CONDITION, HOLD_ADDRESS(condition), HOLD_SITE, false); \
		return track_real()->name(condition);                                         \
	} while (0)

SHIM_EXPORT int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	COND_WAIT(pthread_cond_wait, condition, mutex, false, condition, mutex);
}

SHIM_EXPORT int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
				       const struct timespec *until)
{
	COND_WAIT(pthread_cond_timedwait, condition, mutex, true, condition, mutex, until);
}

int wrap_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
				const struct timespec *until)
{
	COND_WAIT(pthread_cond_clockwait, condition, mutex, true, condition, mutex, clock, until);
}

int wrap_cnd_wait(cnd_t *condition, mtx_t *mutex)
{
	COND_WAIT(cnd_wait, condition, mutex, false, condition, mutex);
}

int wrap_cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
	COND_WAIT(cnd_timedwait, condition, mutex, true, condition, mutex, until);
}

SHIM_EXPORT int pthread_cond_signal(pthread_cond_t *condition)
{
	COND_SIGNAL(pthread_cond_signal, condition);
}

SHIM_EXPORT int pthread_cond_broadcast(pthread_cond_t *condition)
{
	COND_SIGNAL(pthread_cond_broadcast, condition);
}

SHIM_EXPORT int cnd_signal(cnd_t *condition)
{
	COND_SIGNAL(cnd_signal, condition);
}

SHIM_EXPORT int cnd_broadcast(cnd_t *condition)
{
	COND_SIGNAL(cnd_broadcast, condition);
}
