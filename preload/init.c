/*
 * The constructor. It runs while the program has one thread, before main and before most other
 * constructors; what they call earlier finds real.c and segment.c ready to start by themselves.
 * Where a running program opens us it runs in the middle of everything, and so does next to nothing.
 */
#include <errno.h>

#include "preload/latch.h"
#include "preload/lookup.h"
#include "preload/named.h"
#include "preload/process.h"
#include "preload/protect.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/track.h"

__attribute__((constructor(101))) static void shim_constructor(void)
{
	int saved_errno = errno;

	lookup_init();
	real_resolve();
	track_resolve();
	if (lookup_is_late()) {
		latch_init();
	} else {
		protect_init();
		process_init();
		named_init();
	}
	errno = saved_errno;
}
