/*
 * Characters and strings, in gdb's manner: cut at 200 characters, long runs shortened, whatever is
 * not printable escaped in octal. The text goes to terminals: no control character ever passes.
 */
#include "collector/argument/argument_string.h"

#include <string.h>

struct character {
	uint32_t code;
	bool is_raw; /* not a character of the encoding: code is a byte (or unit) of it */
};

struct characters {
	struct character items[ARGUMENT_STRING_MAX];
	unsigned count;
	bool is_ended;  /* the terminating zero was seen */
	uint64_t fault; /* where reading stopped, if neither ended nor full */
};

/* --- one character -----------------------------------------------------------------------------
 */

/* Also not: the C1 controls, and what turns the direction of text around. */
static bool is_printable(uint32_t c)
{
	if (c < 0xa0)
		return c >= 0x20 && c < 0x7f;
	return c <= 0x10ffff && !(c >= 0xd800 && c < 0xe000) && !(c >= 0x200b && c <= 0x200f) &&
	       !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

static unsigned encode_utf8(uint32_t c, unsigned char *out)
{
	if (c < 0x80) {
		out[0] = (unsigned char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (unsigned char)(0xc0 | c >> 6);
		out[1] = (unsigned char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (unsigned char)(0xe0 | c >> 12);
		out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (unsigned char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | c >> 18);
	out[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (unsigned char)(0x80 | (c & 0x3f));
	return 4;
}

/* The bytes of a character that cannot be shown, as they are in memory. */
static void append_octal(struct argument_text *t, struct character c, unsigned size)
{
	unsigned char bytes[4];
	unsigned length = size;

	if (size == 1 && !c.is_raw)
		length = encode_utf8(c.code, bytes);
	else
		memcpy(bytes, &c.code, sizeof(bytes));
	for (unsigned i = 0; i < length && i < sizeof(bytes); i++)
		text_append(t, "\\%03o", bytes[i]);
}

static void append_character(struct argument_text *t, struct character c, unsigned size, char quote)
{
	static const char names[][2] = {{'\a', 'a'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'},
					{'\r', 'r'}, {'\t', 't'}, {'\v', 'v'}};
	unsigned char utf8[4];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (c.code == (unsigned char)names[i][0] && !c.is_raw) {
			text_append(t, "\\%c", names[i][1]);
			return;
		}
	}
	if (c.is_raw || !is_printable(c.code))
		append_octal(t, c, size);
	else if (c.code == '\\' || c.code == (unsigned char)quote)
		text_append(t, "\\%c", (char)c.code);
	else
		text_append(t, "%.*s", (int)encode_utf8(c.code, utf8), (const char *)utf8);
}

void text_append_char(struct argument_text *t, uint32_t c, unsigned size, char quote)
{
	bool is_raw = size == 1 ? c >= 0x80 : !is_printable(c) && c >= 0x80;

	append_character(t, (struct character){c, is_raw}, size, quote);
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* A string of exactly as many units as are shown is whole. */
static bool is_zero_next(const struct argument_source *source, uint64_t address, unsigned size)
{
	uint32_t unit = 0;

	return source->read_memory(source->context, address, &unit, size) && unit == 0;
}

/* How much to read at once: up to a multiple of 64, which is in one page. */
static unsigned step_at(uint64_t address, unsigned rest, unsigned size)
{
	unsigned step = 64 - (unsigned)(address % 64);

	if (step > rest)
		step = rest;
	return step % size ? size : step;
}

/* Units up to the zero, the limit, or where memory ends, which is told in s->fault. */
static unsigned read_units(const struct argument_source *source, uint64_t address,
			   unsigned char *bytes, unsigned size, struct characters *s)
{
	static const unsigned char zero[4];
	unsigned done = 0, limit = ARGUMENT_STRING_MAX * size;

	while (done < limit) {
		unsigned step = step_at(address + done, limit - done, size);

		/* What was kept of a stack may end anywhere. */
		if (!source->read_memory(source->context, address + done, bytes + done, step))
			step = size;
		if (step == size &&
		    !source->read_memory(source->context, address + done, bytes + done, step)) {
			s->fault = address + done;
			return done;
		}
		for (unsigned end = done + step; done < end; done += size) {
			if (memcmp(bytes + done, zero, size) == 0) {
				s->is_ended = true;
				return done;
			}
		}
	}
	s->is_ended = is_zero_next(source, address + done, size);
	return done;
}

/* The length of the UTF-8 sequence at `bytes`, 0 if it is none. */
static unsigned decode_utf8(const unsigned char *bytes, unsigned size, uint32_t *code)
{
	static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned length = bytes[0] < 0x80   ? 1
			  : bytes[0] < 0xc2 ? 0
			  : bytes[0] < 0xe0 ? 2
			  : bytes[0] < 0xf0 ? 3
			  : bytes[0] < 0xf5 ? 4
					    : 0;

	if (length == 0 || length > size)
		return 0;
	*code = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
	for (unsigned i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	return *code >= lowest[length] && *code <= 0x10ffff ? length : 0;
}

static void read_string(const struct argument_source *source, uint64_t address, unsigned size,
			struct characters *s)
{
	unsigned char bytes[ARGUMENT_STRING_MAX * 4];
	unsigned length;

	memset(s, 0, sizeof(*s));
	length = read_units(source, address, bytes, size, s);
	for (unsigned at = 0; at < length;) {
		struct character *c = &s->items[s->count++];
		unsigned step = size;

		if (size > 1) {
			memcpy(&c->code, bytes + at, size);
			c->is_raw = c->code >= 0x80 && !is_printable(c->code);
		} else {
			step = decode_utf8(bytes + at, length - at, &c->code);
			if (step == 0)
				*c = (struct character){bytes[at], true};
		}
		at += step ? step : 1;
	}
}

/* --- printing ----------------------------------------------------------------------------------
 */

static unsigned run_length(const struct characters *s, unsigned at)
{
	unsigned end = at;

	while (end < s->count && s->items[end].code == s->items[at].code &&
	       s->items[end].is_raw == s->items[at].is_raw)
		end++;
	return end - at;
}

/* "abc", 'x' <repeats 19 times>, "def" */
static void append_characters(struct argument_text *t, const struct characters *s,
			      const struct argument_type *type)
{
	bool is_quoted = false;

	for (unsigned at = 0; at < s->count;) {
		unsigned run = run_length(s, at);
		bool is_repeat = run > ARGUMENT_REPEATS;

		if (is_quoted && is_repeat)
			text_append(t, "\"");
		if (at > 0 && !(is_quoted && !is_repeat))
			text_append(t, ", ");
		if (is_repeat) {
			text_append(t, "%s'", type->prefix);
			append_character(t, s->items[at], type->size, '\'');
			text_append(t, "' <repeats %u times>", run);
		} else {
			if (!is_quoted)
				text_append(t, "%s\"", type->prefix);
			append_character(t, s->items[at], type->size, '"');
		}
		is_quoted = !is_repeat;
		at += is_repeat ? run : 1;
	}
	if (is_quoted)
		text_append(t, "\"");
}

void value_print_string(struct argument_text *t, const struct argument_source *source,
			const struct argument_type *type, uint64_t address)
{
	struct characters s;
	bool is_cut;

	if (type->size != 1 && type->size != 2 && type->size != 4)
		return;
	read_string(source, address, type->size, &s);
	is_cut = !s.is_ended && !s.fault;
	if (s.fault && source->is_partial)
		return;
	text_append(t, " ");
	if (s.count == 0 && s.is_ended)
		text_append(t, "%s\"\"", type->prefix);
	append_characters(t, &s, type);
	if (is_cut)
		text_append(t, "...");
	if (s.fault)
		text_append(t, "<error: Cannot access memory at address 0x%llx>",
			    (unsigned long long)s.fault);
}
