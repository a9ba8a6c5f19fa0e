#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "cli/text.h"

int text_utf8_length(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	uint32_t code;
	int length;

	if (u[0] == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	length = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4)
		return 0;
	code = u[0] & (0xff >> (length + 1));
	for (int i = 1; i < length; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (u[i] & 0x3f);
	}
	/* Over-long forms, surrogates and what lies beyond Unicode are no characters. */
	if ((length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return code >= 0xd800 && code <= 0xdfff ? 0 : length;
}

static bool is_control(const char *s, int length)
{
	const unsigned char *u = (const unsigned char *)s;

	return u[0] < 0x20 || u[0] == 0x7f || (length == 2 && u[0] == 0xc2 && u[1] < 0xa0);
}

/* How many bytes from here on are shown as they are: most of most texts. */
static size_t plain_length(const char *s)
{
	size_t length = 0;

	while (s[length] >= 0x20 && s[length] < 0x7f && s[length] != '\\')
		length++;
	return length;
}

/* Characters of `named` become a backslash and the letter that stands for them. */
static void put_escaped(FILE *f, const char *s, const char *named, const char *letters)
{
	for (;;) {
		size_t plain = plain_length(s);

		fwrite(s, 1, plain, f);
		s += plain;
		if (!*s)
			return;
		int length = text_utf8_length(s);
		const char *name = strchr(named, *s);

		if (name) {
			fputc('\\', f);
			fputc(letters[name - named], f);
			s++;
		} else if (length == 0 || is_control(s, length)) {
			/* Byte by byte: the rest of a character comes here again. */
			fprintf(f, "\\%03o", (unsigned char)*s++);
			for (; length > 1; length--)
				fprintf(f, "\\%03o", (unsigned char)*s++);
		} else {
			fwrite(s, 1, length, f);
			s += length;
		}
	}
}

void text_put(FILE *f, const char *s)
{
	put_escaped(f, s, "\\\n\t\r", "\\ntr");
}

void text_put_value(FILE *f, const char *s)
{
	put_escaped(f, s, "\n\t\r", "ntr");
}

const char *text_duration(char buffer[TEXT_SIZE], uint64_t ns)
{
	uint64_t seconds = ns / 1000000000;

	if (ns < 1000)
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 "ns", ns);
	else if (ns < 1000000)
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 "us", ns / 1000);
	else if (seconds < 1)
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 "ms", ns / 1000000);
	else if (seconds < 60)
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 ".%us", seconds,
			 (unsigned)(ns % 1000000000 / 100000000));
	else if (seconds < 3600)
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 "m%02us", seconds / 60,
			 (unsigned)(seconds % 60));
	else if (seconds < 86400)
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 "h%02um", seconds / 3600,
			 (unsigned)(seconds % 3600 / 60));
	else
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 "d%02uh", seconds / 86400,
			 (unsigned)(seconds % 86400 / 3600));
	return buffer;
}

const char *text_clock(char buffer[TEXT_SIZE], uint64_t real_ns)
{
	time_t seconds = real_ns / 1000000000;
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(buffer, TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buffer, TEXT_SIZE, "@%" PRIu64, real_ns / 1000000000);
	return buffer;
}

const char *text_range(char buffer[TEXT_SIZE], uint64_t start, uint64_t end)
{
	if (start == 0 && end == UINT64_MAX)
		snprintf(buffer, TEXT_SIZE, "whole file");
	else if (end == UINT64_MAX)
		snprintf(buffer, TEXT_SIZE, "bytes %" PRIu64 " to the end", start);
	else if (start == end)
		snprintf(buffer, TEXT_SIZE, "byte %" PRIu64, start);
	else
		snprintf(buffer, TEXT_SIZE, "bytes %" PRIu64 "-%" PRIu64, start, end);
	return buffer;
}

const char *text_signal(char buffer[TEXT_SIZE], int signo)
{
	const char *name = sigabbrev_np(signo);

	if (name)
		snprintf(buffer, TEXT_SIZE, "SIG%s", name);
	else if (signo >= SIGRTMIN && signo <= SIGRTMAX)
		snprintf(buffer, TEXT_SIZE, "SIGRTMIN+%d", signo - SIGRTMIN);
	else
		snprintf(buffer, TEXT_SIZE, "signal %d", signo);
	return buffer;
}

const char *text_count(char buffer[TEXT_SIZE], uint64_t n, const char *noun)
{
	int stem = (int)strlen(noun);
	bool ends_in_y = stem && noun[stem - 1] == 'y', ends_in_s = stem && noun[stem - 1] == 's';
	const char *ending = ends_in_y ? "ies" : ends_in_s ? "es" : "s";

	if (n == 1) {
		snprintf(buffer, TEXT_SIZE, "1 %s", noun);
		return buffer;
	}
	stem -= ends_in_y;
	if (n == 0)
		snprintf(buffer, TEXT_SIZE, "no %.*s%s", stem, noun, ending);
	else
		snprintf(buffer, TEXT_SIZE, "%" PRIu64 " %.*s%s", n, stem, noun, ending);
	return buffer;
}
