/*
 * Locks of threads: libc's own functions (thread.def), and how much is recorded of them
 * (LOCKJAM_TRACK).
 *
 * Not in the table of real.h: a mutex is taken before our constructor, and by allocators while they
 * allocate, where dlsym() would call them. These are found as thunks find theirs (lookup.h).
 */
#ifndef LOCKJAM_TRACK_H
#define LOCKJAM_TRACK_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <threads.h>
#include <time.h>

struct track_real {
#define THREAD(name, parameters) int(*name) parameters;
#include "preload/thread.def"
#undef THREAD
};

enum track_level {
	TRACK_UNKNOWN, /* nobody has asked yet */
	TRACK_OFF,
	TRACK_COUNT,
	TRACK_FULL
};

extern struct track_real track_functions __attribute__((visibility("hidden")));
extern bool track_is_ready __attribute__((visibility("hidden")));

/*
 * Fills the table, and reads the dial, which calls getenv(): the constructor does so, or a constructor before
 * it that takes a lock. No lock, no allocation.
 */
void track_resolve(void);

static inline const struct track_real *track_real(void)
{
	if (__builtin_expect(!__atomic_load_n(&track_is_ready, __ATOMIC_ACQUIRE), 0))
		track_resolve();
	return &track_functions;
}

enum track_level track_level(void);

/*
 * What a thunk of unsafe.def leads to instead of libc's `name`: our wrapper, or NULL where there is
 * none or nothing is to be recorded.
 */
void *track_wrapper(const char *name);

#endif
