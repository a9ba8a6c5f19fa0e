/*
 * Semaphores. Nobody owns one: who has waited for it with success, and who posted it last, are recorded, and
 * whether those are the same threads, that is, whether it is used as a lock.
 */
#include <errno.h>

#include "preload/sync.h"
#include "preload/wrap_hold.h"

/* glibc 2.21 and later, struct new_sem: the lower half of the first word is the value. */
static inline bool is_empty(const sem_t *semaphore)
{
	return (uint32_t)__atomic_load_n((const uint64_t *)semaphore, __ATOMIC_RELAXED) == 0;
}

/* A cancellation point, also where it does not wait; then it has not taken anything. */
#define SEM_WAIT(name, semaphore, timed, ...)                                                 \
	do {                                                                                  \
		struct hold_wait wait = {                                                     \
			.kind = SEG_WAIT_SEMAPHORE,                                           \
			.is_timed = timed,                                                    \
			.address = HOLD_ADDRESS(semaphore),                                   \
			.site = HOLD_SITE,                                                    \
		};                                                                            \
		int result;                                                                   \
                                                                                              \
		if (track_level() != TRACK_FULL)                                              \
			return track_real()->name(__VA_ARGS__);                               \
		if (shim_likely(!is_empty(semaphore))) {                                      \
			result = track_real()->name(__VA_ARGS__);                             \
		} else {                                                                      \
			hold_wait_begin(&wait);                                               \
			pthread_cleanup_push(hold_wait_cancelled, &wait);                     \
			result = track_real()->name(__VA_ARGS__);                             \
			pthread_cleanup_pop(0);                                               \
			hold_wait_end(&wait, true);                                           \
		}                                                                             \
		if (result == 0)                                                              \
			hold_took_semaphore(HOLD_ADDRESS(semaphore), HOLD_SITE);              \
		return result;                                                                \
	} while (0)

int wrap_sem_wait(sem_t *semaphore)
{
	SEM_WAIT(sem_wait, semaphore, false, semaphore);
}

int wrap_sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
	SEM_WAIT(sem_timedwait, semaphore, true, semaphore, until);
}

SHIM_EXPORT int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until)
{
	SEM_WAIT(sem_clockwait, semaphore, true, semaphore, clock, until);
}

int wrap_sem_trywait(sem_t *semaphore)
{
	int result = track_real()->sem_trywait(semaphore);

	if (result == 0 && track_level() == TRACK_FULL)
		hold_took_semaphore(HOLD_ADDRESS(semaphore), HOLD_SITE);
	return result;
}

int wrap_sem_post(sem_t *semaphore)
{
	if (track_level() == TRACK_FULL)
		sync_happened(SEG_WAIT_SEMAPHORE, HOLD_ADDRESS(semaphore), HOLD_SITE,
			      !hold_posts_semaphore(HOLD_ADDRESS(semaphore)));
	return track_real()->sem_post(semaphore);
}
