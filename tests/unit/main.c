/*
 * The unit tests: runs every suite of suites.def, or the ones named as arguments, and prints TAP.
 * Exit status: 0 if all passed, 1 otherwise (also when nothing ran).
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static const struct {
	const char *name;
	const struct unit_suite *suite;
} suites[] = {
#define SUITE(module) { #module, &unit_##module },
#include "tests/unit/suites.def"
#undef SUITE
};

#define SUITES (sizeof(suites) / sizeof(suites[0]))

static unsigned printed;

static void print_result(const CU_pTest test, const CU_pSuite suite,
			 const CU_pFailureRecord first_failure)
{
	printf("%s %u - %s: %s\n", first_failure ? "not ok" : "ok", ++printed, suite->pName,
	       test->pName);
	for (CU_pFailureRecord f = first_failure; f; f = f->pNext)
		printf("# %s:%u: %s\n", f->strFileName ? f->strFileName : "?", f->uiLineNumber,
		       f->strCondition ? f->strCondition : "?");
	fflush(stdout);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	bool is_named = argc < 2;

	for (int i = 1; i < argc; i++)
		is_named |= strcmp(argv[i], name) == 0;
	return is_named;
}

/* The number of tests added, or -1 when CUnit refuses one (two of the same name). */
static int add_suite(const char *name, const struct unit_suite *suite)
{
	CU_pSuite added = CU_add_suite(name, NULL, NULL);
	int count = 0;

	for (const struct unit_test *t = suite->tests; t->name; t++, count++)
		if (!added || !CU_add_test(added, t->name, t->run))
			return -1;
	return count;
}

int main(int argc, char **argv)
{
	int total = 0;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	for (size_t i = 0; i < SUITES; i++) {
		int count = is_wanted(suites[i].name, argc, argv)
				    ? add_suite(suites[i].name, suites[i].suite)
				    : 0;
		if (count < 0) {
			printf("Bail out! %s: %s\n", suites[i].name, CU_get_error_msg());
			return 1;
		}
		total += count;
	}
	printf("1..%d\n", total);
	CU_set_test_complete_handler(print_result);
	CU_run_all_tests();

	bool has_passed = CU_get_number_of_tests_failed() == 0 && total > 0 &&
			  CU_get_number_of_tests_run() == (unsigned)total;
	CU_cleanup_registry();
	return has_passed ? 0 : 1;
}
