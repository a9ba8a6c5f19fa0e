/* Names: what a linker calls a function, and how it is shown. */
#include "config.h"

#include "collector/symbol/symbol.h"

#include "tests/unit/unit.h"

static const struct {
	const char *linker, *shown;
	bool is_mangled;
} names[] = {
	{"malloc", "malloc", false},
	{"fcntl@@GLIBC_2.28", "fcntl", false},
	{"nftw@GLIBC_2.2.5", "nftw", false},
	{"idle_update.constprop.0", "idle_update.constprop.0", false},
	{"@", "@", false},
	{"", "", false},
	{"_ZN4mail3Box4openERKNSt7__cxx1112basic_stringIcEENS0_4KindEb", "mail::Box::open", true},
	{"_ZN12_GLOBAL__N_15twiceIiLi3EEET_S1_", "(anonymous namespace)::twice<int, 3>", true},
	{"_ZSt4endlIcE@@GLIBCXX_3.4", "std::endl<char>", true},
	/* Rust, before and since its own mangling (RFC 2603). */
	{"_ZN4mail6Folder4open17h0123456789abcdefE", "mail::Folder::open", true},
	{"_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar", true},
	{"_RNvMCs1234_4mailNtB2_6Folder4open", "<mail::Folder>::open", true},
	{"_RINvCs1234_4mail5twicesEB2_", "mail::twice::<i16>", true},
	/* What only looks like one. */
	{"_ZQ", "_ZQ", false},
	{"_R", "_R", false},
};

static void names_are_shown_as_in_the_source(void)
{
	struct model *m = model_new();

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
#ifndef HAVE_DEMANGLE
		if (names[i].is_mangled)
			continue;
#endif
		CU_ASSERT_STRING_EQUAL(symbol_plain_name(m, names[i].linker), names[i].shown);
	}
	model_free(m);
}

static const struct unit_test tests[] = {
	{"names are shown as in the source", names_are_shown_as_in_the_source},
	{NULL, NULL},
};

const struct unit_suite unit_symbol = {tests};
