/*
 * The locks that the kernel lists for a descriptor: the "lock:" lines of /proc/self/fdinfo/N. They are
 * exact, unlike /proc/locks. Async-signal-safe; one descriptor, for a moment.
 */
#ifndef LOCKJAM_FDINFO_H
#define LOCKJAM_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/range.h"

struct fdinfo_lock {
	uint8_t kind; /* enum seg_lock_kind */
	uint8_t mode; /* enum seg_lock_mode */
	int32_t pid;  /* who took it; -1 where the kernel does not tell (OFD) */
	struct range range;
};

/* Called for each lock; a result of false ends the reading. Leases are left out. */
typedef bool fdinfo_fn(void *data, const struct fdinfo_lock *lock);

/* False when the file could not be read. */
bool fdinfo_locks(int fd, fdinfo_fn *each, void *data);

#endif
