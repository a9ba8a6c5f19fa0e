/* Texts of values that no debug information is needed for: characters, strings, numbers. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "collector/argument/argument_string.h"
#include "collector/argument/argument_value.h"
#include "tests/unit/unit.h"

#define BASE UINT64_C(0x1000)

/* Memory that holds `text` at BASE and nothing else. */
struct memory {
	const char *bytes;
	size_t size;
};

static bool read_memory(void *context, uint64_t address, void *data, size_t size)
{
	const struct memory *memory = context;

	if (address < BASE || address - BASE > memory->size ||
	    size > memory->size - (address - BASE))
		return false;
	memcpy(data, memory->bytes + (address - BASE), size);
	return true;
}

static bool find_place(void *context, uint64_t address, struct argument_place *place)
{
	(void)context, (void)address, (void)place;
	return false;
}

static char out[4096];

/* The string at `address` in memory that is exactly these bytes. */
static const char *print(const char *bytes, size_t size, uint64_t address, bool is_partial)
{
	struct memory memory = {bytes, size};
	const struct argument_source source = {.context = &memory,
					       .read_memory = read_memory,
					       .find_place = find_place,
					       .is_partial = is_partial};
	const struct argument_type type = {.class = TYPE_CHAR, .size = 1, .prefix = ""};
	struct argument_text text = {.text = out, .size = sizeof(out)};

	out[0] = '\0';
	value_print_string(&text, &source, &type, address);
	return out;
}

static void strings_are_escaped(void)
{
	static const char text[] = "a\"b\\c\n\t\033[31m\177\x9b 5";

	CU_ASSERT_STRING_EQUAL(print(text, sizeof(text), BASE, false),
			       " \"a\\\"b\\\\c\\n\\t\\033[31m\\177\\233 5\"");
	/* U+202E turns text around, U+0085 is a control character: as bytes. */
	static const char utf8[] = "\xc3\xa9\xe2\x80\xae\xc2\x85";

	CU_ASSERT_STRING_EQUAL(print(utf8, sizeof(utf8), BASE, false),
			       " \"\xc3\xa9\\342\\200\\256\\302\\205\"");
}

static void runs_are_shortened(void)
{
	static const char text[] = "abxxxxxxxxxxxcyyyyyyyyyyzzzzzzzzzzzz";

	CU_ASSERT_STRING_EQUAL(print(text, sizeof(text), BASE, false),
			       " \"ab\", 'x' <repeats 11 times>, \"cyyyyyyyyyy\", "
			       "'z' <repeats 12 times>");
}

static void long_strings_are_cut(void)
{
	char text[400];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "abc"[i % 3];
	const char *shown = print(text, sizeof(text), BASE, false);

	CU_ASSERT_EQUAL(strlen(shown), 1 + 202 + 3);
	CU_ASSERT_STRING_EQUAL(shown + strlen(shown) - 4, "\"...");
	text[ARGUMENT_STRING_MAX] = '\0';
	shown = print(text, sizeof(text), BASE, false);
	CU_ASSERT_EQUAL(shown[strlen(shown) - 1], '"');
}

static void memory_that_ends_is_told(void)
{
	CU_ASSERT_STRING_EQUAL(print("", 0, 0x77, false),
			       " <error: Cannot access memory at address 0x77>");
	CU_ASSERT_STRING_EQUAL(print("", 0, 0x77, true), "");
	CU_ASSERT_STRING_EQUAL(print("", 1, BASE, false), " \"\"");
}

static void text_is_cut_at_the_end_of_its_buffer(void)
{
	char small[8];
	struct argument_text text = {.text = small, .size = sizeof(small)};

	text_append(&text, "%s", "1234567");
	CU_ASSERT_STRING_EQUAL(small, "1234567");
	text_append(&text, "%s", "8");
	CU_ASSERT(text.is_full);
	CU_ASSERT_STRING_EQUAL(small, "1234567");
}

static const char *number(enum type_class class, unsigned size, bool is_signed, const void *bytes)
{
	static const struct argument_source source = {.find_place = find_place};
	struct argument_type type = {
		.class = class, .size = size, .is_signed = is_signed, .prefix = ""};
	struct argument_text text = {.text = out, .size = sizeof(out)};

	out[0] = '\0';
	value_print(&text, &source, &type, bytes);
	return out;
}

static void numbers(void)
{
	static const unsigned char ones[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const unsigned char two[16] = {2};
	const double infinite = -1.0 / 0.0, fraction = 0.1;

	CU_ASSERT_STRING_EQUAL(number(TYPE_INTEGER, 2, true, ones), "-1");
	CU_ASSERT_STRING_EQUAL(number(TYPE_INTEGER, 2, false, ones), "65535");
	CU_ASSERT_STRING_EQUAL(number(TYPE_INTEGER, 16, true, ones), "-1");
	CU_ASSERT_STRING_EQUAL(number(TYPE_INTEGER, 16, false, ones),
			       "340282366920938463463374607431768211455");
	CU_ASSERT_STRING_EQUAL(number(TYPE_BOOL, 1, false, two), "2");
	CU_ASSERT_STRING_EQUAL(number(TYPE_BOOL, 1, false, two + 1), "false");
	CU_ASSERT_STRING_EQUAL(number(TYPE_CHAR, 1, true, ones), "-1 '\\377'");
	CU_ASSERT_STRING_EQUAL(number(TYPE_FLOAT, 8, false, &infinite), "-inf");
	CU_ASSERT_STRING_EQUAL(number(TYPE_FLOAT, 8, false, &fraction), "0.10000000000000001");
	CU_ASSERT_STRING_EQUAL(number(TYPE_FLOAT, 8, false, ones), "-nan(0xfffffffffffff)");
	/* Sizes that debug information should not say. */
	CU_ASSERT_STRING_EQUAL(number(TYPE_INTEGER, 12, false, ones), "{...}");
	CU_ASSERT_STRING_EQUAL(number(TYPE_FLOAT, 3, false, ones), "{...}");
}

static const struct unit_test tests[] = {
	{"strings are escaped: no control character passes", strings_are_escaped},
	{"long runs of a character are shortened", runs_are_shortened},
	{"long strings are cut", long_strings_are_cut},
	{"where memory ends is told", memory_that_ends_is_told},
	{"a full buffer keeps what is whole", text_is_cut_at_the_end_of_its_buffer},
	{"numbers of every size", numbers},
	{NULL, NULL},
};
const struct unit_suite unit_argument_value = {tests};
