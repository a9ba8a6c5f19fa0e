/* The clock of records: see shim.h. */
#include <stdatomic.h>

#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"

static struct {
	_Atomic uint64_t last_ns; /* of the fine clock */
} clocks;

bool shim_no_counter;

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now = { 0 };

	if (real_ready && !shim_no_counter)
		real_functions.clock_gettime(clock, &now);
	else
		sys2(SYS_clock_gettime, clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t shim_now_ns(void)
{
	uint64_t now = read_clock(CLOCK_MONOTONIC);

	atomic_store_explicit(&clocks.last_ns, now, memory_order_relaxed);
	return now;
}

uint64_t shim_coarse_ns(void)
{
	uint64_t now = read_clock(CLOCK_MONOTONIC_COARSE);
	uint64_t last = atomic_load_explicit(&clocks.last_ns, memory_order_relaxed);

	return now > last ? now : last;
}
