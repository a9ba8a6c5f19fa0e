/*
 * Characters and strings as text. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_STRING_H
#define LOCKJAM_ARGUMENT_STRING_H

#include "collector/argument/argument.h"
#include "collector/argument/argument_text.h"
#include "collector/argument/argument_type.h"

#define ARGUMENT_STRING_MAX 200 /* characters of a string: gdb's `print elements` */
#define ARGUMENT_REPEATS 10     /* longer runs are shortened: gdb's `print repeats` */

/* One character, escaped for a text in `quote`s. `size` bytes wide. */
void text_append_char(struct argument_text *t, uint32_t c, unsigned size, char quote);

/* The string at `address`, whose characters are `type`, after a blank. */
void value_print_string(struct argument_text *t, const struct argument_source *source,
			const struct argument_type *type, uint64_t address);

#endif
