/*
 * What a file of unit tests gives to the one program tests/unit/unit. Each module has one file,
 * tests/unit/MODULE.c, that ends with
 *
 *	const struct unit_suite unit_MODULE = { tests };
 *
 * and one line SUITE(MODULE) in suites.def. Checks are CUnit's CU_ASSERT family. A test must not
 * depend on another one, nor on the directory that it runs in.
 */
#ifndef LOCKJAM_TESTS_UNIT_H
#define LOCKJAM_TESTS_UNIT_H

#include <CUnit/Basic.h>

struct unit_test {
	const char *name; /* what must hold; NULL ends the table */
	void (*run)(void);
};

struct unit_suite {
	const struct unit_test *tests;
};

#define SUITE(module) extern const struct unit_suite unit_##module;
#include "tests/unit/suites.def"
#undef SUITE

#endif
