/* See argument_text.h. */
#include "collector/argument/argument_text.h"

#include <stdarg.h>
#include <stdio.h>

void text_append(struct argument_text *t, const char *format, ...)
{
	size_t room = t->size - t->used;
	va_list list;
	int length;

	if (t->is_full)
		return;
	va_start(list, format);
	length = vsnprintf(t->text + t->used, room, format, list);
	va_end(list);
	if (length < 0 || (size_t)length >= room) {
		t->text[t->used] = '\0';
		t->is_full = true;
		return;
	}
	t->used += (size_t)length;
}
