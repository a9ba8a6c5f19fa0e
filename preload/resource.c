/*
 * Files that were locked: see resource.h. A hash with open addressing, filled by compare-and-swap,
 * needs no lock. Its slots carry the epoch of the segment, so that a forked child finds the whole
 * table empty without clearing it.
 *
 * A server may lock more files in its life than the table has records: then the records of those
 * that have no lock now are used again, oldest first.
 */
#include <stdatomic.h>

#include "preload/descriptor.h"
#include "preload/edge.h"
#include "preload/lockset_list.h"
#include "preload/resource.h"
#include "preload/shim.h"
#include "preload/sys.h"
#include "preload/text.h"

#define HASH_SLOTS 8192 /* a power of two, twice the resources */

#define RECYCLE_TRIES 64

static struct {
	_Atomic uint64_t slots[HASH_SLOTS]; /* epoch << 32 | index; index 0: was removed */
	_Atomic uint32_t hand;              /* where the search for an idle record goes on */
} resources;

static uint32_t hash_start(uint64_t dev, uint64_t ino)
{
	uint64_t h = (dev * 31 + ino) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(h >> 40) & (HASH_SLOTS - 1);
}

static bool is_record_of(uint32_t index, uint64_t dev, uint64_t ino)
{
	const struct seg_resource *record = segment_record(SEG_RESOURCES, index);

	return record && record->key1 == dev && record->key2 == ino;
}

/* The index, or 0 and the slot where it belongs (HASH_SLOTS: none is free). */
static uint32_t look_up(uint64_t dev, uint64_t ino, uint32_t *slot)
{
	uint64_t epoch = segment_epoch() & UINT32_MAX;
	uint32_t at = hash_start(dev, ino);

	*slot = HASH_SLOTS;
	for (uint32_t n = 0; n < HASH_SLOTS; n++, at = (at + 1) & (HASH_SLOTS - 1)) {
		uint64_t value = atomic_load_explicit(&resources.slots[at], memory_order_acquire);
		bool is_free = value >> 32 != epoch || !(uint32_t)value;

		if (is_free && *slot == HASH_SLOTS)
			*slot = at;
		if (value >> 32 != epoch)
			return 0;
		if (is_record_of((uint32_t)value, dev, ino)) {
			*slot = at;
			return (uint32_t)value;
		}
	}
	return 0;
}

/* Another thread may add the same file at the same time: then one record stays without users. */
static uint32_t insert(uint64_t dev, uint64_t ino, uint32_t slot, uint32_t index)
{
	uint64_t epoch = segment_epoch() & UINT32_MAX;

	while (slot < HASH_SLOTS) {
		uint64_t old = atomic_load(&resources.slots[slot]);
		uint32_t found;

		if ((old >> 32 != epoch || !(uint32_t)old) &&
		    atomic_compare_exchange_strong(&resources.slots[slot], &old, epoch << 32 | index))
			break;
		found = look_up(dev, ino, &slot);
		if (found)
			return found;
	}
	return index;
}

/* --- records that are used again --------------------------------------------------------------- */

/* No lock in the set, none that waits, and no order of locks that names it. */
static bool is_idle(uint32_t index)
{
	const struct seg_header *header = segment_get();

	if (lockset_first(index) || edge_names(index))
		return false;
	for (uint32_t slot = 1; slot <= header->tables[SEG_LOCKS].used; slot++) {
		const struct seg_lock *lock = lockset_record(slot);

		if (lock->state != SEG_LOCK_FREE && lock->resource == index)
			return false;
	}
	return true;
}

/* What was remembered under this index is forgotten. */
static void forget(uint32_t index, const struct seg_resource *record)
{
	uint32_t slot;

	if (look_up(record->key1, record->key2, &slot) == index)
		atomic_store(&resources.slots[slot], (segment_epoch() & UINT32_MAX) << 32);
	for (int fd = descriptor_limit() - 1; fd >= 0; fd--)
		if (descriptor_resource(fd) == index)
			descriptor_set_resource(fd, 0);
}

static uint32_t recycle(struct seg_resource **record)
{
	uint32_t used = segment_get()->tables[SEG_RESOURCES].used;

	for (int n = 0; n < RECYCLE_TRIES; n++) {
		uint32_t index = atomic_fetch_add(&resources.hand, 1) % used + 1;

		*record = segment_record(SEG_RESOURCES, index);
		if ((*record)->seq & 1 || !is_idle(index))
			continue;
		forget(index, *record);
		segment_open_record(&(*record)->seq);
		return index;
	}
	return 0;
}

static uint32_t append(uint64_t dev, uint64_t ino, const char *path)
{
	const struct seg_table *table = &segment_get()->tables[SEG_RESOURCES];
	struct seg_resource *record;
	uint32_t index = 0;

	if (shim_unlikely(table->used == table->capacity))
		index = recycle(&record);
	if (!index)
		index = segment_append(SEG_RESOURCES, (void **)&record);
	if (!index)
		return 0;
	record->kind = SEG_RES_FILE;
	record->key1 = dev;
	record->key2 = ino;
	record->path = segment_string_again(record->path, &record->path_room, path);
	segment_publish(&record->seq);
	return index;
}

/* --- what lock.c asks for ------------------------------------------------------------------------ */

uint32_t resource_find(uint64_t dev, uint64_t ino)
{
	uint32_t slot;

	return look_up(dev, ino, &slot);
}

uint32_t resource_add(uint64_t dev, uint64_t ino, const char *path)
{
	uint32_t slot, index = look_up(dev, ino, &slot);

	if (index)
		return index;
	index = append(dev, ino, path);
	return index ? insert(dev, ino, slot, index) : 0;
}

uint32_t resource_of(const struct stat *st, int fd)
{
	uint32_t slot, index = look_up(st->st_dev, st->st_ino, &slot);
	char path[1024], link[32];
	struct text text;
	long length;

	if (shim_likely(index))
		return index;
	text_init(&text, link, sizeof(link));
	text_string(&text, "/proc/self/fd/");
	text_number(&text, (uint64_t)fd);
	length = sys_readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	return resource_add(st->st_dev, st->st_ino, path);
}
