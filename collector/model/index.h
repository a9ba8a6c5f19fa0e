/*
 * A multimap from 64-bit keys to array indices: pids to processes, inodes to locks. Values of one
 * key come in the order in which they were added. Nothing is ever removed.
 */
#ifndef LOCKJAM_INDEX_H
#define LOCKJAM_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct index_entry {
	uint64_t key;
	uint32_t value;
	uint32_t next; /* entry, UINT32_MAX ends */
};

/* All zero is an empty index. */
struct index {
	struct index_entry *entries;
	uint32_t *first, *last; /* of each bucket */
	uint32_t count, room;   /* room: entries, and buckets (a power of two) */
};

bool index_add(struct index *x, uint64_t key, uint32_t value); /* false: memory is out */
void index_done(struct index *x);

/*
 * for (uint32_t i = index_first(&x, key); i != UINT32_MAX; i = index_next(&x, i))
 *         use(x.entries[i].value);
 */
uint32_t index_first(const struct index *x, uint64_t key);
uint32_t index_next(const struct index *x, uint32_t entry);

#endif
