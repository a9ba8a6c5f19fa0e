/* Which function of ours stands for which of libc's, in a shim that was loaded late. */
#ifndef LOCKJAM_LATCH_WRAPPER_H
#define LOCKJAM_LATCH_WRAPPER_H

#include <stdbool.h>
#include <stdint.h>

struct latch_wrapper {
	uintptr_t wrapper;  /* ours */
	uintptr_t function; /* what it leads to; 0: nothing */
	bool is_libc_only;  /* see lookup_is_libc_only(), lookup_first() */
	const char *version; /* of the function, where it is libc's default one; or NULL */
};

/* NULL where no function of that name is wrapped. Async-signal-safe. */
const struct latch_wrapper *latch_wrapper(const char *name);

/* Can the address be one of a wrapper? A quick test. */
bool latch_wrapper_is_ours(uintptr_t address);

/* One more, while the process has one thread. The name stays the caller's. */
void latch_wrapper_add(const char *name, const struct latch_wrapper *wrapper);

/* Fills the table; for the constructor. False: there is something of libc that cannot be found. */
bool latch_wrapper_init(void);

#endif
