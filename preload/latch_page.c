/* Changing words on protected pages: see latch_page.h. */
#include <errno.h>
#include <string.h>

#include "preload/latch_page.h"
#include "preload/sys.h"

#define PAGE 4096

/* --- /proc/self/maps, line by line --------------------------------------------------------------- */

struct mapping {
	uintptr_t start, end;
	int protection;
};

struct maps {
	int fd;
	uint32_t used, next; /* of buffer */
	char buffer[2048];   /* a line is longer only by its path, which is skipped */
};

static int next_char(struct maps *maps)
{
	if (maps->next == maps->used) {
		long n = sys_read(maps->fd, maps->buffer, sizeof(maps->buffer));

		if (n <= 0)
			return -1;
		maps->used = (uint32_t)n;
		maps->next = 0;
	}
	return (unsigned char)maps->buffer[maps->next++];
}

static uintptr_t read_hex(struct maps *maps)
{
	uintptr_t value = 0;
	int c;

	while ((c = next_char(maps)) > 0) {
		if (c >= '0' && c <= '9')
			value = value << 4 | (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uintptr_t)(c - 'a' + 10);
		else
			break;
	}
	return value;
}

/* "start-end rwxp ..." */
static bool read_mapping(struct maps *maps, struct mapping *m)
{
	int c;

	m->start = read_hex(maps);
	m->end = read_hex(maps);
	m->protection = next_char(maps) == 'r' ? PROT_READ : 0;
	m->protection |= next_char(maps) == 'w' ? PROT_WRITE : 0;
	m->protection |= next_char(maps) == 'x' ? PROT_EXEC : 0;
	while ((c = next_char(maps)) > 0 && c != '\n')
		;
	return c == '\n' && m->end > m->start;
}

/* --- the changes ---------------------------------------------------------------------------------- */

/* Shell's sort: libc's allocates. They come in rising runs, one for each object. */
static void sort(struct latch_changes *changes)
{
	for (uint32_t gap = changes->count / 2; gap; gap /= 2) {
		for (uint32_t i = gap; i < changes->count; i++) {
			struct latch_change item = changes->items[i];
			uint32_t j = i;

			for (; j >= gap && changes->items[j - gap].slot > item.slot; j -= gap)
				changes->items[j] = changes->items[j - gap];
			changes->items[j] = item;
		}
	}
}

static uint32_t swap(struct latch_change *first, const struct latch_change *end)
{
	uint32_t count = 0;

	for (struct latch_change *c = first; c < end; c++) {
		uintptr_t from = c->from;

		c->is_done = __atomic_compare_exchange_n(c->slot, &from, c->to, false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
		count += c->is_done;
	}
	return count;
}

/* Those of one mapping. */
static int64_t change_in(const struct mapping *m, struct latch_change *first,
			 const struct latch_change *end)
{
	uintptr_t low = (uintptr_t)first->slot & ~(uintptr_t)(PAGE - 1);
	uintptr_t high = ((uintptr_t)end[-1].slot & ~(uintptr_t)(PAGE - 1)) + PAGE;
	int64_t count;

	if (m->protection & PROT_EXEC || !(m->protection & PROT_READ))
		return 0;
	if (m->protection & PROT_WRITE)
		return swap(first, end);
	if (sys3(SYS_mprotect, low, high - low, PROT_READ | PROT_WRITE) < 0)
		return -ENOMEM;
	count = swap(first, end);
	/* Cannot fail where the pages are one mapping again, as they were. */
	sys3(SYS_mprotect, low, high - low, m->protection);
	return count;
}

static int64_t change_all(struct latch_changes *changes, struct maps *maps)
{
	struct latch_change *at = changes->items, *all = at + changes->count, *end;
	int64_t count = 0, more;
	struct mapping m;

	while (at < all && read_mapping(maps, &m)) {
		while (at < all && (uintptr_t)at->slot < m.start)
			at++;
		for (end = at; end < all && (uintptr_t)end->slot < m.end; end++)
			;
		more = end > at ? change_in(&m, at, end) : 0;
		if (more < 0)
			return more;
		count += more;
		at = end;
	}
	return count;
}

static int64_t run(struct latch_changes *changes)
{
	struct maps maps;
	int64_t result;

	maps.used = maps.next = 0;
	maps.fd = sys_open("/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (maps.fd < 0)
		return maps.fd == -EMFILE || maps.fd == -ENFILE ? -EMFILE : -ENXIO;
	result = change_all(changes, &maps);
	sys_close(maps.fd);
	return result;
}

static void undo(struct latch_changes *changes)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < changes->count; i++) {
		const struct latch_change done = changes->items[i];

		if (done.is_done)
			changes->items[kept++] =
				(struct latch_change){done.slot, done.to, done.from, false};
	}
	changes->count = kept;
	if (kept)
		run(changes);
}

int64_t latch_page_change(struct latch_changes *changes)
{
	int64_t result;

	sort(changes);
	result = changes->count ? run(changes) : 0;
	if (result < 0)
		undo(changes);
	return result;
}
