/*
 * The table of libc's own functions (real.def), found with dlsym(RTLD_NEXT): what the wrappers
 * call. Filled by the constructor, or by the first use before it.
 */
#ifndef LOCKJAM_REAL_H
#define LOCKJAM_REAL_H

#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

struct real {
#define REAL(result, name, parameters) result(*name) parameters;
#include "preload/real.def"
#undef REAL
};

extern struct real real_functions __attribute__((visibility("hidden")));
extern bool real_ready __attribute__((visibility("hidden")));

/*
 * Fills the table. Not async-signal-safe (dlsym takes the loader's lock and may allocate): the
 * constructor runs it; a wrapper that is called by an earlier constructor does so too, when the
 * process has one thread only. Re-entered by dlsym's own allocations it returns at once, with
 * the table not ready.
 */
void real_resolve(void);

/* The table. Async-signal-safe once the constructor has run. */
static inline const struct real *real(void)
{
	if (__builtin_expect(!real_ready, 0))
		real_resolve();
	return &real_functions;
}

#endif
