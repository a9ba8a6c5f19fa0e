/*
 * The tables of a segment into private memory, while its writer may be at work: what changed
 * between two readings is read again, and what does not settle is marked as torn.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/segment/segment_private.h"

#define TORN_TRIES 4

/*
 * Loaded in this order. A record is complete before what names it appears, so a live writer's
 * high-water marks are read again before the tables that others name: they then hold all that is
 * named.
 */
static const struct {
	enum seg_table_id id;
	bool is_named; /* by records of the tables before: read `used` again */
	bool is_fixed; /* records do not change once they are complete */
} load_order[] = {
	{SEG_EVENTS, false, false},   {SEG_LOCKS, false, false},
	{SEG_LISTS, false, false},
	{SEG_FINDINGS, false, false}, {SEG_INTERRUPTIONS, false, false},
	{SEG_LOST, false, false},     {SEG_EDGES, false, false},
	{SEG_HOLDINGS, true, true},   {SEG_USES, true, false},
	{SEG_THREADS, false, false},  {SEG_HANDLERS, false, false},
	{SEG_STACKS, true, true},     {SEG_RESOURCES, false, true},
	{SEG_MODULES, false, true},   {SEG_PCS, true, true},
	{SEG_STRINGS, false, true},   {SEG_SLICES, false, true},
};

/* How many records of a table there are now; a ring has no high-water mark but its counter. */
static uint32_t used_records(const struct seg_header *h, enum seg_table_id id)
{
	const struct seg_table *t = &SEG_TABLE(h, id);
	uint64_t used = t->used;

	if (id == SEG_EVENTS && h->events_written > used)
		used = h->events_written;
	return used < t->capacity ? used : t->capacity;
}

/* Reads one record until its seq is even and the same before and after; else leaves it odd. */
static void reread_record(struct segment *s, enum seg_table_id id, uint8_t *record, uint32_t index)
{
	uint32_t size = SEG_TABLE(&s->header, id).record_size, seq, again;
	uint64_t offset = SEG_TABLE(&s->header, id).offset + (uint64_t)index * size;

	for (int i = 0; i < TORN_TRIES; i++) {
		if (segment_read_at(s, record, size, offset) ||
		    segment_read_at(s, &again, sizeof(again), offset))
			break;
		memcpy(&seq, record, sizeof(seq));
		if (seq == again && seq % 2 == 0)
			return;
	}
	seq = 1;
	memcpy(record, &seq, sizeof(seq));
}

/*
 * Compares the table's seqs with a second reading. Rows are copied in ascending order, so a
 * record whose seq was even before and is the same after was copied whole.
 */
static int settle_table(struct segment *s, enum seg_table_id id, uint8_t *data, uint32_t count)
{
	uint32_t size = SEG_TABLE(&s->header, id).record_size;
	size_t bytes = (size_t)size * count;
	uint8_t *again = malloc(bytes);

	if (!again)
		return -ENOMEM;
	int r = segment_read_at(s, again, bytes, SEG_TABLE(&s->header, id).offset);

	for (uint32_t i = 0; !r && i < count; i++) {
		uint32_t before, after;

		memcpy(&before, data + (size_t)i * size, sizeof(before));
		memcpy(&after, again + (size_t)i * size, sizeof(after));
		if (before != after || before % 2)
			reread_record(s, id, data + (size_t)i * size, i);
	}
	free(again);
	return r;
}

/* A record that was being written for the first time when its table was read. */
static void settle_fixed(struct segment *s, enum seg_table_id id, uint8_t *data, uint32_t count)
{
	uint32_t size = SEG_TABLE(&s->header, id).record_size, seq;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(&seq, data + (size_t)i * size, sizeof(seq));
		if (seq % 2)
			reread_record(s, id, data + (size_t)i * size, i);
	}
}

static int settle(struct segment *s, enum seg_table_id id, uint8_t *data, uint32_t count,
		  bool is_fixed)
{
	if (!segment_has_seq(id))
		return 0;
	if (!is_fixed)
		return settle_table(s, id, data, count);
	settle_fixed(s, id, data, count);
	return 0;
}

static int load_table(struct segment *s, enum seg_table_id id, bool is_live, bool is_fixed)
{
	const struct seg_table *t = &SEG_TABLE(&s->header, id);
	uint32_t count = used_records(&s->header, id);
	size_t bytes = (size_t)count * t->record_size;
	int r = 0;

	if (!count)
		return 0;
	if (s->memory) {
		s->tables[id].data = s->memory + t->offset;
	} else {
		uint8_t *data = malloc(bytes);

		if (!data)
			return -ENOMEM;
		r = segment_read_at(s, data, bytes, t->offset);
		if (!r && is_live)
			r = settle(s, id, data, count, is_fixed);
		if (r) {
			free(data);
			return r;
		}
		s->tables[id].data = data;
	}
	s->tables[id].count = count;
	for (uint32_t i = 0; segment_has_seq(id) && i < count; i++)
		s->torn += segment_record_seq(s, id, i) % 2;
	return 0;
}

/* The tables' high-water marks, again; everything else stays as it was checked. */
static int refresh_used(struct segment *s)
{
	struct seg_header *h = &s->header, now = {0};
	size_t length = h->header_size < sizeof(now) ? h->header_size : sizeof(now);
	int r = segment_read_at(s, &now, length, 0);

	for (uint32_t id = 0; !r && id < SEG_TABLES_MAX; id++) {
		SEG_TABLE(h, id).used = SEG_TABLE(&now, id).used;
		SEG_TABLE(h, id).dropped = SEG_TABLE(&now, id).dropped;
	}
	return r;
}

int segment_load(struct segment *s, unsigned flags, char *cause, size_t size)
{
	bool is_live = flags & SEGMENT_LIVE;
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(load_order) / sizeof(load_order[0]); i++) {
		enum seg_table_id id = load_order[i].id;

		if (id == SEG_EVENTS && (flags & SEGMENT_NO_EVENTS))
			continue;
		if (is_live && load_order[i].is_named)
			r = refresh_used(s);
		if (!r)
			r = load_table(s, id, is_live, load_order[i].is_fixed);
	}
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (r == -EINVAL)
		return segment_fail(r, cause, size, "cut while it was read");
	return r ? segment_fail(r, cause, size, "%s", strerror(-r)) : 0;
}
