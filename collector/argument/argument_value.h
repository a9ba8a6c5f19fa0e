/*
 * Values as text, as gdb prints them. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_VALUE_H
#define LOCKJAM_ARGUMENT_VALUE_H

#include "collector/argument/argument_text.h"
#include "collector/argument/argument_type.h"
#include "collector/argument/argument_view.h"

/* A scalar of `type` from its bytes in memory (at least type->size of them). */
void value_print(struct argument_text *t, const struct argument_source *source,
		 struct argument_type *type, const unsigned char *bytes);

#endif
