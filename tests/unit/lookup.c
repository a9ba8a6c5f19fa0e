/* The shim's own look-up of functions beside the loader's. This program stands for the shim. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT */
#endif
#include "preload/lookup.h"

#include <dlfcn.h>
#include <stdio.h>

#include "tests/unit/unit.h"

static const char *const names[] = {
#define UNSAFE(name, way, why) #name,
#include "preload/unsafe.list"
#undef UNSAFE
};

static void every_thunk_leads_where_the_loader_would(void)
{
	size_t count = sizeof(names) / sizeof(*names), wrong = 0;

	CU_ASSERT(count > 300);
	for (size_t i = 0; i < count; i++) {
		if (lookup_next(names[i]) == dlsym(RTLD_NEXT, names[i]))
			continue;
		printf("# %s is not what dlsym finds\n", names[i]);
		wrong++;
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* Chosen by the processor when it is looked up. */
static void an_indirect_function_is_resolved(void)
{
	CU_ASSERT_PTR_EQUAL(lookup_next("strlen"), dlsym(RTLD_NEXT, "strlen"));
	CU_ASSERT_PTR_EQUAL(lookup_next("memcpy"), dlsym(RTLD_NEXT, "memcpy"));
}

static void what_nobody_has_is_not_found(void)
{
	CU_ASSERT_PTR_NULL(lookup_next("no_library_has_this_function"));
	CU_ASSERT_PTR_NULL(lookup_next(""));
	CU_ASSERT_PTR_NULL(lookup_next("environ")); /* no function */
}

static const struct unit_test tests[] = {
	{"every thunk leads where the loader would", every_thunk_leads_where_the_loader_would},
	{"an indirect function is resolved", an_indirect_function_is_resolved},
	{"what nobody has is not found", what_nobody_has_is_not_found},
	{NULL, NULL},
};

const struct unit_suite unit_lookup = {tests};
