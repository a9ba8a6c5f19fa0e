/* Building short texts without stdio: async-signal-safe, always NUL-terminated, cut when full. */
#ifndef LOCKJAM_TEXT_H
#define LOCKJAM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *at;
	size_t size; /* of the buffer, with the NUL */
	size_t used;
	bool cut;
};

static inline void text_init(struct text *text, char *buffer, size_t size)
{
	*text = (struct text){ .at = buffer, .size = size };
	buffer[0] = '\0';
}

static inline void text_char(struct text *text, char c)
{
	if (text->used + 1 >= text->size) {
		text->cut = true;
		return;
	}
	text->at[text->used++] = c;
	text->at[text->used] = '\0';
}

static inline void text_string(struct text *text, const char *s)
{
	for (; *s; s++)
		text_char(text, *s);
}

static inline void text_number(struct text *text, uint64_t n)
{
	char digits[20];
	int count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		text_char(text, digits[--count]);
}

#endif
