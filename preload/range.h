/*
 * Byte ranges as the kernel sees them: inclusive, SEG_TO_EOF for no end. Pure arithmetic: no
 * state, no system calls, async-signal-safe.
 */
#ifndef LOCKJAM_RANGE_H
#define LOCKJAM_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint64_t start, end;
};

/*
 * The range that l_start and l_len mean, relative to `base` (0, the offset, or the size, as
 * l_whence says). Follows fcntl_setlk() of the kernel: a negative length covers the bytes before
 * the start, 0 reaches to the end of the file, and so does a range that ends at the largest
 * offset. Returns 0, -EINVAL or -EOVERFLOW, which the kernel will say too.
 */
int range_resolve(int64_t base, int64_t start, int64_t length, struct range *range);

bool range_overlaps(struct range a, struct range b);
bool range_covers(struct range whole, struct range part);

/* Overlapping or adjacent: what the kernel merges into one lock if the modes agree. */
bool range_touches(struct range a, struct range b);
struct range range_union(struct range a, struct range b);

/* What is left of `from` without `cut`, lower part first: returns how many parts, 0 to 2. */
int range_subtract(struct range from, struct range cut, struct range left[2]);

#endif
