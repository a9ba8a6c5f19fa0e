/*
 * Segments, read as untrusted input into private memory: whoever may write a file into the
 * session's directory may write anything into it. Every offset, count and string is checked here
 * once, so that nobody above has to. Never maps the file (its owner may cut it), never follows a
 * link, never waits (a fifo).
 */
#include "config.h"

#include "collector/segment/segment_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((uint64_t)64 << 20) /* a writer's whole file; sparse, so mostly holes */

/* Sizes of version 1: no writer's records may be smaller. In the order of enum seg_table_id. */
static const uint32_t record_min[SEG_TABLE_IDS] = {
	[SEG_THREADS] = sizeof(struct seg_thread),
	[SEG_RESOURCES] = sizeof(struct seg_resource),
	[SEG_LOCKS] = sizeof(struct seg_lock),
	[SEG_HANDLERS] = SEG_HANDLER_SIZE_1,
	[SEG_FINDINGS] = sizeof(struct seg_finding),
	[SEG_STACKS] = sizeof(struct seg_stack),
	[SEG_PCS] = sizeof(uint64_t),
	[SEG_MODULES] = sizeof(struct seg_module),
	[SEG_EVENTS] = sizeof(struct seg_event),
	[SEG_STRINGS] = 1,
	[SEG_SLICES] = 1,
	[SEG_EDGES] = sizeof(struct seg_edge), /* since version 4: no records before */
	[SEG_INTERRUPTIONS] = SEG_INTERRUPTION_SIZE_1,
	[SEG_HOLDINGS] = sizeof(struct seg_holding),
	[SEG_LISTS] = sizeof(struct seg_holds),
	[SEG_LOST] = sizeof(struct seg_lost),
	[SEG_USES] = sizeof(struct seg_use),
};

int segment_fail(int error, char *cause, size_t size, const char *format, ...)
{
	va_list arguments;

	if (!size)
		return error;
	va_start(arguments, format);
	vsnprintf(cause, size, format, arguments);
	va_end(arguments);
	return error;
}

bool segment_has_seq(enum seg_table_id id)
{
	return id != SEG_PCS && id != SEG_STRINGS && id != SEG_SLICES;
}

int segment_read_at(const struct segment *s, void *data, size_t length, uint64_t offset)
{
	if (s->memory) {
		if (offset > s->size || length > s->size - offset)
			return -EINVAL;
		memcpy(data, s->memory + offset, length);
		return 0;
	}
	for (size_t done = 0; done < length;) {
		ssize_t got = pread(s->fd, (char *)data + done, length - done, offset + done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EINVAL;
		done += got;
	}
	return 0;
}

uint32_t segment_record_seq(const struct segment *s, enum seg_table_id id, uint32_t index)
{
	uint32_t seq;

	memcpy(&seq, s->tables[id].data + (size_t)index * SEG_TABLE(&s->header, id).record_size,
	       sizeof(seq));
	return seq;
}

static int check_tables(const struct segment *s, char *cause, size_t size)
{
	const struct seg_header *h = &s->header;
	uint64_t sum = 0;

	for (uint32_t id = 0; id < SEG_TABLE_IDS; id++) {
		const struct seg_table *t = &SEG_TABLE(h, id);
		uint64_t bytes = (uint64_t)t->record_size * t->capacity;

		if (!bytes && !t->capacity)
			continue;
		if (t->record_size < record_min[id])
			return segment_fail(-EINVAL, cause, size,
					    "table %u has records of %u bytes", id, t->record_size);
		if (t->offset < h->header_size || t->offset > s->size ||
		    bytes > s->size - t->offset)
			return segment_fail(-EINVAL, cause, size,
					    "truncated: table %u ends behind the file", id);
		/* Tables may not overlap, or a small file could make us keep it many times. */
		sum += bytes;
		if (sum > s->size)
			return segment_fail(-EINVAL, cause, size, "its tables overlap");
	}
	return 0;
}

static int check_header(struct segment *s, char *cause, size_t size)
{
	struct seg_header *h = &s->header;

	if (!h->magic)
		return segment_fail(-ENODATA, cause, size,
				    "not ready: its writer died while making it");
	if (h->magic != SEG_MAGIC)
		return segment_fail(-EINVAL, cause, size, "not a segment of lockjam");
	if (h->min_reader > SEG_VERSION)
		return segment_fail(
			-ENOTSUP, cause, size,
			"written by a newer lockjam (format %u, this one reads up to %u)",
			h->min_reader, SEG_VERSION);
	if (h->header_size < SEG_HEADER_SIZE_1 || h->header_size > s->size ||
	    h->table_count > SEG_TABLES_1)
		return segment_fail(-EINVAL, cause, size, "its header is damaged");
	/* What an older writer did not have is zero. */
	if (h->header_size < sizeof(*h))
		memset((char *)h + h->header_size, 0, sizeof(*h) - h->header_size);
	h->exe[sizeof(h->exe) - 1] = 0;
	h->title[sizeof(h->title) - 1] = 0;
	h->cmdline[sizeof(h->cmdline) - 1] = 0;
	h->cmdline[sizeof(h->cmdline) - 2] = 0;
	for (uint32_t id = h->table_count; id < SEG_TABLES_1; id++)
		memset(&h->tables[id], 0, sizeof(h->tables[id]));
	return check_tables(s, cause, size);
}

static int read_header(struct segment *s, char *cause, size_t size)
{
	size_t length = s->size < sizeof(s->header) ? s->size : sizeof(s->header);
	int r = length < SEG_HEADER_SIZE_1 ? -EINVAL : segment_read_at(s, &s->header, length, 0);

	if (!s->size)
		return segment_fail(-ENODATA, cause, size,
				    "not ready: its writer died while making it");
	if (r == -EINVAL)
		return segment_fail(r, cause, size, "truncated: %llu bytes are no segment",
				    (unsigned long long)s->size);
	if (r)
		return segment_fail(r, cause, size, "%s", strerror(-r));
	return check_header(s, cause, size);
}

int segment_probe_fd(int fd, struct segment **result, char *cause, size_t size)
{
	struct stat st;
	struct segment *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s || fstat(fd, &st)) {
		r = s ? -errno : -ENOMEM;
		segment_fail(r, cause, size, "%s", strerror(-r));
	} else if (!S_ISREG(st.st_mode)) {
		r = segment_fail(-EINVAL, cause, size, "not a regular file");
	} else if ((uint64_t)st.st_size > FILE_MAX) {
		r = segment_fail(-EINVAL, cause, size, "too large for a segment (%lld bytes)",
				 (long long)st.st_size);
	} else {
		s->fd = fd;
		s->size = st.st_size;
		s->owner = st.st_uid;
		r = read_header(s, cause, size);
	}
	if (r) {
		close(fd);
		free(s);
		return r;
	}
	*result = s;
	return 0;
}

int segment_probe_at(int dir, const char *name, struct segment **s, char *cause, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		int error = errno;
		return segment_fail(-error, cause, size, "%s",
				    error == ELOOP ? "a symbolic link" : strerror(error));
	}
	return segment_probe_fd(fd, s, cause, size);
}

static int load_all(struct segment **result, bool is_live, char *cause, size_t size)
{
	struct segment *s = *result;
	int r = segment_load(s, is_live ? SEGMENT_LIVE : 0, cause, size);

	if (r) {
		segment_close(s);
		*result = NULL;
	}
	return r;
}

int segment_open_path(const char *path, bool is_live, struct segment **s, char *cause, size_t size)
{
	struct segment *probed;
	int r = segment_probe_at(AT_FDCWD, path, &probed, cause, size);

	if (!r)
		r = load_all(&probed, is_live, cause, size);
	if (!r)
		*s = probed;
	return r;
}

int segment_open_fd(int fd, bool is_live, struct segment **s, char *cause, size_t size)
{
	struct segment *probed;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return segment_fail(-errno, cause, size, "%m");
	int r = segment_probe_fd(own, &probed, cause, size);

	if (!r)
		r = load_all(&probed, is_live, cause, size);
	if (!r)
		*s = probed;
	return r;
}

int segment_open_memory(const void *data, size_t length, struct segment **result, char *cause,
			size_t size)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (!s)
		return segment_fail(-ENOMEM, cause, size, "%s", strerror(ENOMEM));
	s->fd = -1;
	s->memory = data;
	s->size = length;
	int r = read_header(s, cause, size);

	if (!r)
		r = segment_load(s, 0, cause, size);
	if (r)
		segment_close(s);
	else
		*result = s;
	return r;
}

void segment_close(struct segment *s)
{
	if (!s)
		return;
	for (int id = 0; id < SEG_TABLE_IDS && !s->memory; id++)
		free((void *)s->tables[id].data);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

const struct seg_header *segment_header(const struct segment *s)
{
	return &s->header;
}

bool segment_is_sampled(const struct segment *s)
{
	return s->header.sample_interval_ns;
}

uid_t segment_owner(const struct segment *s)
{
	return s->owner;
}

uint32_t segment_count(const struct segment *s, enum seg_table_id table)
{
	return table < SEG_TABLE_IDS ? s->tables[table].count : 0;
}

int segment_read(const struct segment *s, enum seg_table_id table, uint32_t index, void *record,
		 size_t size)
{
	if (table >= SEG_TABLE_IDS || !segment_has_seq(table) || !index ||
	    index > s->tables[table].count)
		return -ERANGE;
	uint32_t record_size = SEG_TABLE(&s->header, table).record_size;
	uint32_t seq = segment_record_seq(s, table, index - 1);

	if (!seq)
		return -ERANGE; /* never written */
	if (seq % 2)
		return -EAGAIN;
	if (record_size > size)
		record_size = size;
	else
		memset((char *)record + record_size, 0, size - record_size);
	memcpy(record,
	       s->tables[table].data + (size_t)(index - 1) * SEG_TABLE(&s->header, table).record_size,
	       record_size);
	return 0;
}

uint64_t segment_torn(const struct segment *s)
{
	return s->torn;
}

const char *segment_text(const struct segment *s, uint32_t offset)
{
	const struct table *t = &s->tables[SEG_STRINGS];
	uint32_t size = s->header.tables[SEG_STRINGS].record_size;

	/* A writer of another record_size is no writer of ours: its strings have no meaning. */
	if (!offset || offset >= t->count || size != 1)
		return "";
	const char *text = (const char *)t->data + offset;

	return memchr(text, 0, t->count - offset) ? text : "";
}

uint32_t segment_stack_pcs(const struct segment *s, const struct seg_stack *stack, uint64_t *pcs,
			   uint32_t max)
{
	const struct table *t = &s->tables[SEG_PCS];
	uint32_t size = s->header.tables[SEG_PCS].record_size, n = stack->count;

	if (stack->pcs >= t->count)
		return 0;
	if (n > t->count - stack->pcs)
		n = t->count - stack->pcs;
	if (n > max)
		n = max;
	for (uint32_t i = 0; i < n; i++)
		memcpy(&pcs[i], t->data + (size_t)(stack->pcs + i) * size, sizeof(pcs[i]));
	return n;
}

const void *segment_slice(const struct segment *s, const struct seg_slice *slice)
{
	const struct table *t = &s->tables[SEG_SLICES];

	if (!slice->length || s->header.tables[SEG_SLICES].record_size != 1 ||
	    slice->offset > t->count || slice->length > t->count - slice->offset)
		return NULL;
	return t->data + slice->offset;
}
