/* A chained hash table of indices; see index.h. */
#include "config.h"

#include "collector/model/index.h"

#include <stdlib.h>
#include <string.h>

static uint32_t bucket(const struct index *x, uint64_t key)
{
	return (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (x->room - 1);
}

static void link_entry(struct index *x, uint32_t i)
{
	uint32_t b = bucket(x, x->entries[i].key);

	x->entries[i].next = UINT32_MAX;
	if (x->first[b] == UINT32_MAX)
		x->first[b] = i;
	else
		x->entries[x->last[b]].next = i;
	x->last[b] = i;
}

static bool grow(struct index *x)
{
	uint32_t room = x->room ? x->room * 2 : 64;
	struct index_entry *entries = reallocarray(x->entries, room, sizeof(*entries));

	if (!entries)
		return false;
	x->entries = entries;
	uint32_t *first = reallocarray(x->first, room, sizeof(*first));

	if (!first)
		return false;
	x->first = first;
	uint32_t *last = reallocarray(x->last, room, sizeof(*last));

	if (!last)
		return false;
	x->last = last;
	x->room = room;
	memset(x->first, 0xff, room * sizeof(*x->first));
	for (uint32_t i = 0; i < x->count; i++)
		link_entry(x, i);
	return true;
}

bool index_add(struct index *x, uint64_t key, uint32_t value)
{
	if (x->count == x->room && (x->room >= UINT32_MAX / 4 || !grow(x)))
		return false;
	x->entries[x->count] = (struct index_entry){.key = key, .value = value};
	link_entry(x, x->count++);
	return true;
}

void index_done(struct index *x)
{
	free(x->entries);
	free(x->first);
	free(x->last);
	memset(x, 0, sizeof(*x));
}

static uint32_t match(const struct index *x, uint64_t key, uint32_t i)
{
	while (i != UINT32_MAX && x->entries[i].key != key)
		i = x->entries[i].next;
	return i;
}

uint32_t index_first(const struct index *x, uint64_t key)
{
	return x->count ? match(x, key, x->first[bucket(x, key)]) : UINT32_MAX;
}

uint32_t index_next(const struct index *x, uint32_t entry)
{
	return match(x, x->entries[entry].key, x->entries[entry].next);
}
