/* The harness of the unit tests itself: an empty table of suites would prove nothing. */
#include <string.h>

#include "tests/unit/unit.h"

static void suites_are_listed(void)
{
	static const char *const names[] = {
#define SUITE(module) #module,
#include "tests/unit/suites.def"
#undef SUITE
	};

	CU_ASSERT_STRING_EQUAL(names[0], "unit");
}

static const struct unit_test tests[] = {
	{ "suites.def is what main.c runs", suites_are_listed },
	{ NULL, NULL },
};
const struct unit_suite unit_unit = { tests };
