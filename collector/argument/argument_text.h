/*
 * Text of arguments, in a buffer of fixed size. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_TEXT_H
#define LOCKJAM_ARGUMENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Text that grows in a buffer of fixed size; what does not fit is left out and is_full set. */
struct argument_text {
	char *text;
	size_t size, used; /* used < size: always ended */
	bool is_full;
};

void text_append(struct argument_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
