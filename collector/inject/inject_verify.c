#include "config.h"

#include "collector/inject/inject_verify.h"

#include <stdlib.h>
#include <string.h>

#include "preload/segment.h"

/* A segment's file, or a memfd where the process could reach no directory. */
static bool is_segment(const struct inject_map *map)
{
	size_t length = strlen(map->path), suffix = strlen(SEG_SUFFIX);

	return (length > suffix && !strcmp(map->path + length - suffix, SEG_SUFFIX)) ||
	       strstr(map->path, SEG_MEMFD_NAME);
}

static uint32_t count_held(struct inject_target *t, uint64_t start, const struct seg_header *header)
{
	const struct seg_table *table = &header->tables[SEG_LOCKS];
	uint32_t held = 0;

	for (uint32_t i = 0; i < table->used && i < table->capacity; i++) {
		struct seg_lock lock;
		uint64_t at = start + table->offset + (uint64_t)i * table->record_size;

		if (table->record_size >= sizeof(lock) &&
		    proc_read_memory(t->proc, t->pid, at, &lock, sizeof(lock)) == sizeof(lock))
			held += lock.state == SEG_LOCK_HELD && (lock.flags & SEG_LOCK_BEFORE);
	}
	return held;
}

const char *inject_verify(struct inject_target *t, uint32_t *locks)
{
	const char *wrong = "the shim is loaded, but there is no record of it";

	if (inject_target_refresh(t))
		return "the process cannot be looked at any more";
	if (!inject_target_shim(t))
		return "the shim is not in its memory";
	for (uint32_t i = 0; i < t->maps.count; i++) {
		const struct inject_map *map = &t->maps.items[i];
		struct seg_header header;

		if (!is_segment(map) || map->offset ||
		    proc_read_memory(t->proc, t->pid, map->start, &header, sizeof(header)) !=
			    sizeof(header) ||
		    header.magic != SEG_MAGIC)
			continue;
		wrong = "the shim is loaded, but its record has ended";
		if (header.state != SEG_RUNNING)
			continue;
		*locks = count_held(t, map->start, &header);
		return NULL;
	}
	return wrong;
}
