/* See track.h. */
#include <stdlib.h>
#include <string.h>

#include "preload/lookup.h"
#include "preload/segment.h"
#include "preload/shim.h"
#include "preload/track.h"
#include "preload/wrap.h"

struct track_real track_functions;
bool track_is_ready;

static enum track_level level;

/* A name that this libc lacks: only a program that looked for it by name can come here. */
static int absent(void)
{
	return 0;
}

static void *find(const char *name)
{
	void *function = lookup_next(name);

	return function ? function : (void *)absent;
}

static enum track_level read_level(void)
{
	const char *value = getenv(SEG_ENV_TRACK);

	if (value && strcmp(value, SEG_TRACK_OFF) == 0)
		return TRACK_OFF;
	if (value && strcmp(value, SEG_TRACK_COUNT) == 0)
		return TRACK_COUNT;
	return TRACK_FULL;
}

/* Whoever comes first, or several at once: all write the same. */
void track_resolve(void)
{
#define THREAD(name, parameters) track_functions.name = (__typeof__(track_functions.name))find(#name);
#include "preload/thread.def"
#undef THREAD
	level = read_level();
	__atomic_store_n(&track_is_ready, true, __ATOMIC_RELEASE);
}

enum track_level track_level(void)
{
	track_real();
	return level;
}

static const struct {
	const char *name;
	void *wrapper;
} wrappers[] = {
#define WRAPPED(name) { #name, (void *)wrap_##name }
	WRAPPED(pthread_mutex_lock),
	WRAPPED(pthread_mutex_timedlock),
	WRAPPED(pthread_mutex_clocklock),
	WRAPPED(pthread_rwlock_rdlock),
	WRAPPED(pthread_rwlock_wrlock),
	WRAPPED(pthread_rwlock_timedrdlock),
	WRAPPED(pthread_rwlock_timedwrlock),
	WRAPPED(pthread_rwlock_clockrdlock),
	WRAPPED(pthread_rwlock_clockwrlock),
	WRAPPED(pthread_spin_lock),
	WRAPPED(pthread_cond_clockwait),
	WRAPPED(pthread_barrier_wait),
	WRAPPED(pthread_join),
	WRAPPED(pthread_timedjoin_np),
	WRAPPED(pthread_clockjoin_np),
	WRAPPED(sem_wait),
	WRAPPED(sem_timedwait),
	WRAPPED(sem_trywait),
	WRAPPED(sem_post),
	WRAPPED(mtx_lock),
	WRAPPED(mtx_timedlock),
	WRAPPED(cnd_wait),
	WRAPPED(cnd_timedwait),
	WRAPPED(thrd_join),
#undef WRAPPED
};

void *track_wrapper(const char *name)
{
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		if (strcmp(wrappers[i].name, name) == 0)
			return track_level() == TRACK_OFF ? NULL : wrappers[i].wrapper;
	return NULL;
}
