/* Byte ranges as the kernel sees them. */
#include "preload/range.h"

#include <errno.h>

#include "preload/segment.h"
#include "tests/unit/unit.h"

static bool is(struct range range, uint64_t start, uint64_t end)
{
	return range.start == start && range.end == end;
}

static bool resolves(int64_t base, int64_t start, int64_t length, uint64_t first, uint64_t last)
{
	struct range range;

	return range_resolve(base, start, length, &range) == 0 && is(range, first, last);
}

static int error_of(int64_t base, int64_t start, int64_t length)
{
	struct range range;

	return range_resolve(base, start, length, &range);
}

static void lengths(void)
{
	CU_ASSERT(resolves(0, 10, 5, 10, 14));
	CU_ASSERT(resolves(0, 10, 1, 10, 10));
	CU_ASSERT(resolves(0, 10, 0, 10, SEG_TO_EOF));
	CU_ASSERT(resolves(0, 10, -5, 5, 9));
	CU_ASSERT(resolves(0, 10, -10, 0, 9));
	CU_ASSERT(resolves(100, -10, 5, 90, 94));
}

static void ends_of_the_file(void)
{
	CU_ASSERT(resolves(0, 0, INT64_MAX, 0, INT64_MAX - 1));
	CU_ASSERT(resolves(0, 1, INT64_MAX, 1, SEG_TO_EOF));
	CU_ASSERT(resolves(0, INT64_MAX, 1, INT64_MAX, SEG_TO_EOF));
	CU_ASSERT_EQUAL(error_of(0, 2, INT64_MAX), -EOVERFLOW);
	CU_ASSERT_EQUAL(error_of(1, INT64_MAX, 0), -EOVERFLOW);
	CU_ASSERT_EQUAL(error_of(0, -1, 5), -EINVAL);
	CU_ASSERT_EQUAL(error_of(10, -11, 0), -EINVAL);
	CU_ASSERT_EQUAL(error_of(0, 4, -5), -EINVAL);
}

static void neighbours_touch(void)
{
	struct range a = { 10, 19 }, behind = { 20, 29 }, apart = { 21, 29 }, before = { 0, 9 };
	struct range endless = { 15, SEG_TO_EOF };

	CU_ASSERT(range_touches(a, behind) && range_touches(behind, a));
	CU_ASSERT(range_touches(a, before) && range_touches(before, a));
	CU_ASSERT_FALSE(range_touches(a, apart));
	CU_ASSERT_FALSE(range_overlaps(a, behind));
	CU_ASSERT(range_overlaps(a, endless));
	CU_ASSERT(is(range_union(a, behind), 10, 29));
	CU_ASSERT(is(range_union(endless, a), 10, SEG_TO_EOF));
	CU_ASSERT(range_covers(endless, behind));
	CU_ASSERT_FALSE(range_covers(behind, endless));
}

static void what_is_left(void)
{
	struct range from = { 10, 19 }, left[2];

	CU_ASSERT_EQUAL(range_subtract(from, (struct range){ 0, SEG_TO_EOF }, left), 0);
	CU_ASSERT_EQUAL(range_subtract(from, (struct range){ 10, 19 }, left), 0);
	CU_ASSERT_EQUAL(range_subtract(from, (struct range){ 20, 30 }, left), 1);
	CU_ASSERT(is(left[0], 10, 19));
	CU_ASSERT_EQUAL(range_subtract(from, (struct range){ 0, 14 }, left), 1);
	CU_ASSERT(is(left[0], 15, 19));
	CU_ASSERT_EQUAL(range_subtract(from, (struct range){ 15, SEG_TO_EOF }, left), 1);
	CU_ASSERT(is(left[0], 10, 14));
	CU_ASSERT_EQUAL(range_subtract(from, (struct range){ 12, 13 }, left), 2);
	CU_ASSERT(is(left[0], 10, 11) && is(left[1], 14, 19));
}

static const struct unit_test tests[] = {
	{ "lengths: positive, zero to the end, negative before the start", lengths },
	{ "the ends of the file, and beyond them", ends_of_the_file },
	{ "neighbours touch, and join", neighbours_touch },
	{ "what is left of a range: nothing, one part, two", what_is_left },
	{ NULL, NULL },
};

const struct unit_suite unit_range = { tests };
