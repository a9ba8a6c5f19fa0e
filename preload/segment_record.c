/* Records, strings and events of the segment: see shim.h. Lock-free and async-signal-safe. */
#include <stdatomic.h>
#include <string.h>

#include "preload/segment_file.h"
#include "preload/shim.h"

static void count_dropped(struct seg_header *header, enum seg_table_id id)
{
	atomic_fetch_add_explicit((_Atomic uint32_t *)&SEG_TABLE(header, id).dropped, 1,
				  memory_order_relaxed);
}

/* `count` records in a row: the 0-based number of the first, or -1. */
static int64_t reserve(struct seg_header *header, enum seg_table_id id, uint32_t count)
{
	_Atomic uint32_t *used = (_Atomic uint32_t *)&SEG_TABLE(header, id).used;
	const struct seg_table *table = &segment_tables[id];
	uint32_t first = atomic_load_explicit(used, memory_order_relaxed);

	do {
		if (count > table->capacity - first ||
		    !segment_have_bytes(header, table->offset + (uint64_t)first * table->record_size,
				(uint64_t)count * table->record_size)) {
			count_dropped(header, id);
			return -1;
		}
	} while (!atomic_compare_exchange_weak(used, &first, first + count));
	return first;
}

static void *record_at(struct seg_header *header, enum seg_table_id id, uint64_t number)
{
	return (char *)header + segment_tables[id].offset + number * segment_tables[id].record_size;
}

uint32_t segment_append_to(struct seg_header *header, enum seg_table_id id, void **record)
{
	int64_t number = reserve(header, id, 1);

	if (number < 0)
		return 0;
	*record = record_at(header, id, (uint64_t)number);
	segment_open_record(*record);
	return (uint32_t)number + 1;
}

uint32_t segment_append(enum seg_table_id id, void **record)
{
	struct seg_header *header = segment_get();

	return header ? segment_append_to(header, id, record) : 0;
}

void *segment_record_of(struct seg_header *header, enum seg_table_id id, uint32_t index)
{
	if (!header || !index || index > SEG_TABLE(header, id).used)
		return NULL;
	return record_at(header, id, index - 1);
}

void *segment_record(enum seg_table_id id, uint32_t index)
{
	return segment_record_of(segment_get(), id, index);
}

void segment_open_record(uint32_t *seq)
{
	atomic_store_explicit((_Atomic uint32_t *)seq, *seq | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

void segment_publish(uint32_t *seq)
{
	atomic_store_explicit((_Atomic uint32_t *)seq, (*seq | 1) + 1, memory_order_release);
}

int64_t segment_reserve(struct seg_header *header, enum seg_table_id id, uint32_t count,
			void **first)
{
	int64_t number = reserve(header, id, count);

	if (number >= 0)
		*first = record_at(header, id, (uint64_t)number);
	return number;
}

uint32_t segment_string_to(struct seg_header *header, const char *text)
{
	uint32_t length = (uint32_t)strlen(text) + 1;
	int64_t offset;
	void *at;

	if (length == 1)
		return 0;
	offset = segment_reserve(header, SEG_STRINGS, length, &at);
	if (offset < 0)
		return 0;
	memcpy(at, text, length);
	return (uint32_t)offset;
}

const char *segment_text_of(struct seg_header *header, uint32_t offset)
{
	if (!header || offset >= header->tables[SEG_STRINGS].used)
		return "";
	return record_at(header, SEG_STRINGS, offset);
}

const char *segment_text(uint32_t offset)
{
	return segment_text_of(segment_get(), offset);
}

uint32_t segment_string(const char *text)
{
	struct seg_header *header = segment_get();

	return header ? segment_string_to(header, text) : 0;
}

/* A reader of the old string may see a mixture; its record is torn for it as well. */
uint32_t segment_string_again(uint32_t old, uint32_t *room, const char *text)
{
	uint32_t length = (uint32_t)strlen(text) + 1;

	if (!old || length > *room) {
		*room = length;
		return segment_string(text);
	}
	memcpy(record_at(segment_get(), SEG_STRINGS, old), text, length);
	return old;
}

void *segment_slice_reserve(uint32_t length, uint32_t *offset)
{
	struct seg_header *header = segment_get();
	void *at;
	int64_t number = header ? segment_reserve(header, SEG_SLICES, length, &at) : -1;

	if (number < 0)
		return NULL;
	*offset = (uint32_t)number;
	return at;
}

/* --- events and limits --------------------------------------------------------------------- */

void segment_event_at(uint64_t ns, const struct segment_event *what)
{
	struct seg_header *header = segment_get();
	struct seg_event *event;
	uint64_t number;

	if (!header)
		return;
	number = atomic_fetch_add_explicit((_Atomic uint64_t *)&header->events_written, 1,
					   memory_order_relaxed);
	event = record_at(header, SEG_EVENTS, number % segment_tables[SEG_EVENTS].capacity);
	if (!segment_have_bytes(header, (uint64_t)((char *)event - (char *)header), sizeof(*event)))
		return;
	atomic_store_explicit((_Atomic uint32_t *)&event->seq, (uint32_t)(2 * (number + 1)) | 1,
			      memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	event->kind = (uint16_t)what->kind;
	event->mode = what->mode;
	event->tid = shim_self.tid;
	event->aux = what->aux;
	event->ns = ns;
	event->value = what->value;
	event->start = what->start;
	atomic_store_explicit((_Atomic uint32_t *)&event->seq, (uint32_t)(2 * (number + 1)),
			      memory_order_release);
}

void segment_event(enum seg_event_kind kind, uint16_t mode, int32_t aux, uint64_t value,
		   uint64_t start)
{
	segment_event_at(shim_now_ns(), &(struct segment_event){ kind, mode, aux, value, start });
}

void segment_limit(enum seg_limit limit)
{
	struct seg_header *header = segment_get();

	if (header)
		atomic_fetch_or((_Atomic uint32_t *)&header->limits, (uint32_t)limit);
}
