/*
 * The locks of a descriptor: see fdinfo.h. A line (fs/locks.c, fdinfo since Linux 4.1):
 * "lock:\t1: POSIX  ADVISORY  WRITE 1234 fe:00:567 0 EOF".
 */
#include <stdlib.h>
#include <string.h>

#include "preload/fdinfo.h"
#include "preload/segment.h"
#include "preload/sys.h"
#include "preload/text.h"

static const char *next_word(const char *at)
{
	at += strcspn(at, " \t");
	return at + strspn(at, " \t");
}

static bool is_word(const char *at, const char *word)
{
	size_t length = strlen(word);

	return strncmp(at, word, length) == 0 && (at[length] == ' ' || !at[length]);
}

static uint8_t kind_of(const char *word)
{
	return is_word(word, "POSIX")    ? SEG_LOCK_POSIX
	       : is_word(word, "OFDLCK") ? SEG_LOCK_OFD
	       : is_word(word, "FLOCK")  ? SEG_LOCK_FLOCK
					 : 0;
}

static bool parse(const char *line, struct fdinfo_lock *lock)
{
	const char *word;

	if (strncmp(line, "lock:", 5) != 0)
		return false;
	word = next_word(next_word(line)); /* behind "lock:" and the number */
	lock->kind = kind_of(word);
	word = next_word(next_word(word));
	lock->mode = is_word(word, "WRITE") ? SEG_MODE_WRITE : is_word(word, "READ") ? SEG_MODE_READ : 0;
	word = next_word(word);
	lock->pid = (int32_t)strtol(word, NULL, 10);
	word = next_word(next_word(word));
	lock->range.start = strtoull(word, NULL, 10);
	word = next_word(word);
	lock->range.end = is_word(word, "EOF") ? SEG_TO_EOF : strtoull(word, NULL, 10);
	return lock->kind && lock->mode && *word && lock->range.start <= lock->range.end;
}

struct reader {
	fdinfo_fn *each;
	void *data;
	char line[160]; /* no line of locks is longer */
	struct text text;
};

/* False: the caller has seen enough. */
static bool feed(struct reader *r, const char *bytes, long count)
{
	struct fdinfo_lock lock;

	for (long i = 0; i < count; i++) {
		if (bytes[i] != '\n') {
			text_char(&r->text, bytes[i]);
			continue;
		}
		if (!r->text.cut && parse(r->line, &lock) && !r->each(r->data, &lock))
			return false;
		text_init(&r->text, r->line, sizeof(r->line));
	}
	return true;
}

bool fdinfo_locks(int descriptor, fdinfo_fn *each, void *data)
{
	struct reader reader = {.each = each, .data = data};
	char path[48], buffer[1024];
	struct text text;
	long size;
	int fd;

	text_init(&text, path, sizeof(path));
	text_string(&text, "/proc/self/fdinfo/");
	text_number(&text, (uint64_t)descriptor);
	fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	text_init(&reader.text, reader.line, sizeof(reader.line));
	while ((size = sys_read(fd, buffer, sizeof(buffer))) > 0)
		if (!feed(&reader, buffer, size))
			break;
	sys_close(fd);
	return true;
}
