/* Byte ranges: see range.h. */
#include <errno.h>

#include "preload/range.h"
#include "preload/segment.h"

int range_resolve(int64_t base, int64_t start, int64_t length, struct range *range)
{
	int64_t first, last;

	if (__builtin_add_overflow(base, start, &first))
		return start > 0 ? -EOVERFLOW : -EINVAL;
	if (first < 0)
		return -EINVAL;
	if (length > 0) {
		if (__builtin_add_overflow(first, length - 1, &last))
			return -EOVERFLOW;
	} else if (length < 0) {
		if (first + length < 0)
			return -EINVAL;
		last = first - 1;
		first += length;
	} else {
		last = INT64_MAX;
	}
	range->start = (uint64_t)first;
	range->end = last == INT64_MAX ? SEG_TO_EOF : (uint64_t)last;
	return 0;
}

bool range_overlaps(struct range a, struct range b)
{
	return a.start <= b.end && b.start <= a.end;
}

bool range_covers(struct range whole, struct range part)
{
	return whole.start <= part.start && part.end <= whole.end;
}

bool range_touches(struct range a, struct range b)
{
	return range_overlaps(a, b) || (a.end != SEG_TO_EOF && a.end + 1 == b.start) ||
	       (b.end != SEG_TO_EOF && b.end + 1 == a.start);
}

struct range range_union(struct range a, struct range b)
{
	return (struct range){
		.start = a.start < b.start ? a.start : b.start,
		.end = a.end > b.end ? a.end : b.end,
	};
}

int range_subtract(struct range from, struct range cut, struct range left[2])
{
	int count = 0;

	if (!range_overlaps(from, cut)) {
		left[0] = from;
		return 1;
	}
	if (from.start < cut.start)
		left[count++] = (struct range){ from.start, cut.start - 1 };
	if (cut.end < from.end)
		left[count++] = (struct range){ cut.end + 1, from.end };
	return count;
}
