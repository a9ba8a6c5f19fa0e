#include "config.h"

#include "collector/sample/sample_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/arch/arch.h"

#define IMAGES_MAX 10000

/* What one process can have; the file is sparse, and only what is used costs memory. */
static const struct {
	uint32_t record_size;
	uint32_t capacity;
} layout[SEG_TABLE_IDS] = {
	[SEG_THREADS] = {sizeof(struct seg_thread), 4096},
	[SEG_RESOURCES] = {sizeof(struct seg_resource), 4096},
	[SEG_LOCKS] = {sizeof(struct seg_lock), 8192},
	[SEG_STACKS] = {sizeof(struct seg_stack), 4096},
	[SEG_PCS] = {sizeof(uint64_t), 65536},
	[SEG_MODULES] = {sizeof(struct seg_module), 512},
	[SEG_EVENTS] = {sizeof(struct seg_event), 256},
	[SEG_STRINGS] = {1, 512 * 1024},
};

struct sample_segment {
	int fd;
	uint64_t size;
	uint8_t *memory; /* the whole file */
};

static uint64_t lay_out(struct seg_header *h)
{
	uint64_t at = sizeof(struct seg_header);

	for (int i = 0; i < SEG_TABLE_IDS; i++) {
		at = (at + 63) & ~UINT64_C(63);
		SEG_TABLE(h, i) = (struct seg_table){.offset = at,
						     .record_size = layout[i].record_size,
						     .capacity = layout[i].capacity};
		at += (uint64_t)layout[i].record_size * layout[i].capacity;
	}
	h->tables[SEG_STRINGS].used = 1; /* offset 0 is the empty string */
	return (at + 4095) & ~UINT64_C(4095);
}

struct seg_header *sample_segment_header(struct sample_segment *s)
{
	return (struct seg_header *)s->memory;
}

/* Bytes of the memory into the file. 0 or negative errno. */
static int put(struct sample_segment *s, uint64_t offset, size_t length)
{
	while (length) {
		ssize_t done = pwrite(s->fd, s->memory + offset, length, offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			int error = done ? -errno : -ENOSPC;

			/* The header's own page is there since the beginning. */
			if (!(sample_segment_header(s)->limits & SEG_LIMIT_TMPFS_FULL)) {
				sample_segment_header(s)->limits |= SEG_LIMIT_TMPFS_FULL;
				sample_segment_tell(s);
			}
			return error;
		}
		offset += done;
		length -= done;
	}
	return 0;
}

/* All of the header that changes: it stands in front of the names. */
void sample_segment_tell(struct sample_segment *s)
{
	put(s, offsetof(struct seg_header, state),
	    offsetof(struct seg_header, exe) - offsetof(struct seg_header, state));
	put(s, offsetof(struct seg_header, sample_interval_ns),
	    sizeof(struct seg_header) - offsetof(struct seg_header, sample_interval_ns));
}

static int open_file(int dir, struct seg_header *h)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char name[80];

	for (; h->image < IMAGES_MAX; h->image++) {
		snprintf(name, sizeof(name), "%d-%" PRIu64 "-%" PRIu32 SEG_SUFFIX, h->pid,
			 h->start_time, h->image);
		int fd = openat(dir, name, flags, 0600);

		if (fd >= 0 || errno != EEXIST)
			return fd < 0 ? -errno : fd;
	}
	return -EEXIST;
}

/* The magic comes last: a file without it is not ready. */
static int write_header(struct sample_segment *s)
{
	struct seg_header *h = sample_segment_header(s);
	int r = ftruncate(s->fd, s->size) ? -errno : 0;

	if (!r)
		r = put(s, 0, sizeof(*h));
	h->magic = SEG_MAGIC;
	return r ? r : put(s, 0, sizeof(h->magic));
}

int sample_segment_new(int dir, const struct seg_header *header, struct sample_segment **result)
{
	struct sample_segment *s = calloc(1, sizeof(*s));
	struct seg_header h = *header;
	char name[80];

	if (!s)
		return -ENOMEM;
	h.version = SEG_VERSION;
	h.min_reader = SEG_MIN_READER_SAMPLED;
	h.header_size = sizeof(h);
	h.table_count = SEG_TABLES_1;
	h.file_size = s->size = lay_out(&h);
	h.machine = ARCH_MACHINE;
	h.page_size = sysconf(_SC_PAGESIZE);
	s->memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	s->fd = s->memory == MAP_FAILED ? -ENOMEM : open_file(dir, &h);
	int r = s->fd < 0 ? s->fd : 0;

	if (!r) {
		memcpy(s->memory, &h, sizeof(h));
		r = write_header(s);
		snprintf(name, sizeof(name), "%d-%" PRIu64 "-%" PRIu32 SEG_SUFFIX, h.pid,
			 h.start_time, h.image);
		if (r)
			unlinkat(dir, name, 0);
	}
	if (r) {
		sample_segment_free(s);
		return r;
	}
	*result = s;
	return 0;
}

void sample_segment_free(struct sample_segment *s)
{
	if (!s)
		return;
	if (s->memory != MAP_FAILED)
		munmap(s->memory, s->size);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* --- records ---------------------------------------------------------------------------------- */

static uint64_t offset_of(struct sample_segment *s, enum seg_table_id id, uint32_t index)
{
	const struct seg_table *t = &SEG_TABLE(sample_segment_header(s), id);

	return t->offset + (uint64_t)(index - 1) * t->record_size;
}

uint32_t sample_records(struct sample_segment *s, enum seg_table_id id)
{
	return SEG_TABLE(sample_segment_header(s), id).used;
}

void *sample_record(struct sample_segment *s, enum seg_table_id id, uint32_t index)
{
	if (!index || index > SEG_TABLE(sample_segment_header(s), id).used)
		return NULL;
	return s->memory + offset_of(s, id, index);
}

static void put_table(struct sample_segment *s, enum seg_table_id id)
{
	put(s, offsetof(struct seg_header, tables) + id * sizeof(struct seg_table),
	    sizeof(struct seg_table));
}

static uint32_t drop(struct sample_segment *s, enum seg_table_id id)
{
	SEG_TABLE(sample_segment_header(s), id).dropped++;
	put_table(s, id);
	return 0;
}

void *sample_record_begin(struct sample_segment *s, enum seg_table_id id, uint32_t index)
{
	uint32_t *seq = sample_record(s, id, index);

	if (!seq)
		return NULL;
	*seq |= 1;
	put(s, offset_of(s, id, index), sizeof(*seq));
	return seq;
}

void sample_record_end(struct sample_segment *s, enum seg_table_id id, uint32_t index)
{
	uint64_t offset = offset_of(s, id, index);
	uint32_t *seq = (uint32_t *)(s->memory + offset);

	/* Where the body could not be written the record stays torn, and is left out by readers. */
	if (put(s, offset, layout[id].record_size)) {
		drop(s, id);
		return;
	}
	++*seq;
	put(s, offset, sizeof(*seq));
}

/* `count` records in a row behind those in use, not yet counted: the index of the first, or 0. */
static uint32_t reserve(struct sample_segment *s, enum seg_table_id id, uint32_t count)
{
	const struct seg_table *t = &SEG_TABLE(sample_segment_header(s), id);

	return count <= t->capacity - t->used ? t->used + 1 : drop(s, id);
}

uint32_t sample_record_new(struct sample_segment *s, enum seg_table_id id)
{
	uint32_t index = reserve(s, id, 1);

	if (!index)
		return 0;
	*(uint32_t *)(s->memory + offset_of(s, id, index)) = 1;
	if (put(s, offset_of(s, id, index), layout[id].record_size))
		return drop(s, id);
	SEG_TABLE(sample_segment_header(s), id).used++;
	put_table(s, id);
	return index;
}

/* Bytes without a seq (strings, program counters): complete before anything names them. */
static uint32_t append(struct sample_segment *s, enum seg_table_id id, const void *data,
		       uint32_t count)
{
	uint32_t index = reserve(s, id, count);
	size_t bytes = (size_t)count * layout[id].record_size;

	if (!index)
		return 0;
	memcpy(s->memory + offset_of(s, id, index), data, bytes);
	if (put(s, offset_of(s, id, index), bytes))
		return drop(s, id);
	SEG_TABLE(sample_segment_header(s), id).used += count;
	put_table(s, id);
	return index;
}

uint32_t sample_string(struct sample_segment *s, const char *text)
{
	uint32_t index = *text ? append(s, SEG_STRINGS, text, strlen(text) + 1) : 0;

	return index ? index - 1 : 0;
}

/* --- stacks and events ------------------------------------------------------------------------ */

static uint64_t hash_of(const uint64_t *pcs, uint32_t count)
{
	uint64_t hash = count;

	for (uint32_t i = 0; i < count; i++)
		hash = (hash ^ pcs[i]) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
	return hash ^ hash >> 32;
}

uint32_t sample_stack(struct sample_segment *s, const uint64_t *pcs, uint32_t count, uint32_t flags)
{
	const uint32_t used = sample_segment_header(s)->tables[SEG_STACKS].used;
	uint64_t hash = hash_of(pcs, count);
	struct seg_stack *r;

	for (uint32_t i = 1; i <= used; i++) {
		r = sample_record(s, SEG_STACKS, i);
		if (r->hash == hash && r->count == count && r->flags == flags &&
		    !memcmp(sample_record(s, SEG_PCS, r->pcs + 1), pcs, count * sizeof(*pcs)))
			return i;
	}
	uint32_t first = count ? append(s, SEG_PCS, pcs, count) : 0;
	uint32_t index = first ? sample_record_new(s, SEG_STACKS) : 0;

	if (!index)
		return 0;
	r = sample_record(s, SEG_STACKS, index);
	r->count = count;
	r->pcs = first - 1;
	r->flags = flags;
	r->hash = hash;
	sample_record_end(s, SEG_STACKS, index);
	return index;
}

void sample_event(struct sample_segment *s, const struct seg_event *event)
{
	struct seg_header *h = sample_segment_header(s);
	uint64_t number = h->events_written++;
	uint32_t index = number % h->tables[SEG_EVENTS].capacity + 1;
	uint64_t offset = offset_of(s, SEG_EVENTS, index);
	struct seg_event *r = (struct seg_event *)(s->memory + offset);

	*r = *event;
	r->seq = 2 * (number + 1) | 1;
	put(s, offset, sizeof(r->seq));
	if (put(s, offset, sizeof(*r)))
		return;
	r->seq--;
	put(s, offset, sizeof(r->seq));
	put(s, offsetof(struct seg_header, events_written), sizeof(h->events_written));
}
