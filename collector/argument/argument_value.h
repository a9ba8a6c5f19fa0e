/*
 * Values as text, as gdb prints them. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_VALUE_H
#define LOCKJAM_ARGUMENT_VALUE_H

#include "collector/argument/argument_type.h"
#include "collector/argument/argument_view.h"

#define ARGUMENT_STRING_MAX 200 /* characters of a string: gdb's `print elements` */
#define ARGUMENT_REPEATS 10     /* longer runs are shortened: gdb's `print repeats` */

/* Text that grows in a buffer of fixed size; what does not fit is left out and is_full set. */
struct argument_text {
	char *text;
	size_t size, used; /* used < size: always ended */
	bool is_full;
};

void text_append(struct argument_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A scalar of `type` from its bytes in memory (at least type->size of them). */
void value_print(struct argument_text *t, const struct argument_source *source,
		 struct argument_type *type, const unsigned char *bytes);

/* --- argument_string.c --- */

/* One character, escaped for a text in `quote`s. `size` bytes wide. */
void text_append_char(struct argument_text *t, uint32_t c, unsigned size, char quote);

/* The string at `address`, whose characters are `type`, after a blank. */
void value_print_string(struct argument_text *t, const struct argument_source *source,
			const struct argument_type *type, uint64_t address);

#endif
