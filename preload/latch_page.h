/*
 * Changing words on pages that may be read-only (RELRO): the protection is read from /proc/self/maps
 * and is the same again afterwards.
 */
#ifndef LOCKJAM_LATCH_PAGE_H
#define LOCKJAM_LATCH_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct latch_change {
	uintptr_t *slot;
	uintptr_t from, to;
	bool is_done;
};

struct latch_changes {
	uint32_t count;
	struct latch_change items[];
};

/*
 * Makes each change whose slot still holds `from`. Words on executable pages are left alone. The number
 * of words changed, or a negative errno: then none is. Sorts the changes.
 */
int64_t latch_page_change(struct latch_changes *changes);

#endif
