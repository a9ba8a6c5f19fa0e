/* See segment_fixture.h. */
#include "config.h"

#include "tests/unit/segment_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	uint32_t record_size, capacity;
} layout[SEG_TABLE_IDS] = {
	[SEG_THREADS] = {sizeof(struct seg_thread), 8},
	[SEG_RESOURCES] = {sizeof(struct seg_resource), 16},
	[SEG_LOCKS] = {sizeof(struct seg_lock), 16},
	[SEG_HANDLERS] = {sizeof(struct seg_handler), 16},
	[SEG_FINDINGS] = {sizeof(struct seg_finding), 16},
	[SEG_STACKS] = {sizeof(struct seg_stack), 16},
	[SEG_PCS] = {sizeof(uint64_t), 64},
	[SEG_MODULES] = {sizeof(struct seg_module), 16},
	[SEG_EVENTS] = {sizeof(struct seg_event), 4},
	[SEG_STRINGS] = {1, 1024},
	[SEG_SLICES] = {1, 4096},
	[SEG_EDGES] = {sizeof(struct seg_edge), 8},
	[SEG_INTERRUPTIONS] = {sizeof(struct seg_interruption), 4},
	[SEG_HOLDINGS] = {sizeof(struct seg_holding), 8},
	[SEG_LISTS] = {sizeof(struct seg_holds), 2},
	[SEG_LOST] = {sizeof(struct seg_lost), 4},
};

void segment_fixture_init(struct segment_fixture *f)
{
	uint64_t at = sizeof(f->header);

	memset(f, 0, sizeof(*f));
	f->header = (struct seg_header){
		.magic = SEG_MAGIC,
		.version = SEG_VERSION,
		.min_reader = SEG_MIN_READER,
		.header_size = sizeof(f->header),
		.table_count = SEG_TABLES_1,
		.file_size = FIXTURE_SIZE,
		.page_size = 4096,
		.pid = FIXTURE_PID,
		.ppid = 1,
		.start_time = FIXTURE_START,
		.created_mono_ns = 1000,
		.created_real_ns = UINT64_C(1425211200000000000),
		.exe = "/usr/cyrus/bin/imapd",
		.cmdline = "imapd\0-s",
	};
	for (int id = 0; id < SEG_TABLE_IDS; id++) {
		SEG_TABLE(&f->header, id) = (struct seg_table){
			.offset = at,
			.record_size = layout[id].record_size,
			.capacity = layout[id].capacity};
		at += (uint64_t)layout[id].record_size * layout[id].capacity;
	}
	f->header.tables[SEG_STRINGS].used = 1;
}

void *segment_fixture_record(struct segment_fixture *f, enum seg_table_id table, uint32_t index)
{
	const struct seg_table *t = &SEG_TABLE(&f->header, table);

	return f->data + t->offset + (uint64_t)(index - 1) * t->record_size;
}

void *segment_fixture_add(struct segment_fixture *f, enum seg_table_id table, uint32_t *index)
{
	uint32_t i = ++SEG_TABLE(&f->header, table).used;
	uint32_t *record = segment_fixture_record(f, table, i);

	if (table != SEG_PCS && table != SEG_SLICES)
		*record = 2;
	if (index)
		*index = i;
	return record;
}

uint32_t segment_fixture_string(struct segment_fixture *f, const char *text)
{
	struct seg_table *t = &f->header.tables[SEG_STRINGS];
	uint32_t at = t->used;

	memcpy(f->data + t->offset + at, text, strlen(text) + 1);
	t->used += strlen(text) + 1;
	return at;
}

static void add_lock(struct segment_fixture *f, enum seg_lock_state state, uint32_t resource,
		     uint64_t since_ns)
{
	struct seg_lock *l = segment_fixture_add(f, SEG_LOCKS, NULL);

	l->state = state;
	l->kind = SEG_LOCK_POSIX;
	l->mode = SEG_MODE_WRITE;
	l->resource = resource;
	l->thread = 1;
	l->fd = 5;
	l->end = SEG_TO_EOF;
	l->wait_since_ns = since_ns;
	l->hold_since_ns = state == SEG_LOCK_HELD ? since_ns : 0;
	l->last_try_ns = state == SEG_LOCK_POLLING ? since_ns + 500 : 0;
	l->tries = state == SEG_LOCK_POLLING ? 37 : 0;
	l->stack = 1;
}

static void add_finding(struct segment_fixture *f)
{
	struct seg_finding *r = segment_fixture_add(f, SEG_FINDINGS, NULL);

	r->kind = SEG_FIND_UNSAFE_CALL;
	r->flags = SEG_FIND_ALLOC_CALL | SEG_FIND_THREADED;
	r->function = segment_fixture_string(f, "malloc");
	r->signo = SIGALRM;
	r->handler = 1;
	r->thread = 1;
	r->caller = 0x5000;
	r->count = 3;
	r->first_ns = 4000;
	r->last_ns = 6000;
	r->regs[7] = 0x7ff000;
	r->regs[16] = 0x5000;
	r->slices[0] = (struct seg_slice){.address = 0x7ff000, .offset = 0, .length = 256};
	f->header.tables[SEG_SLICES].used = 256;
}

static void add_events(struct segment_fixture *f)
{
	static const enum seg_event_kind kinds[] = {SEG_EV_START,  SEG_EV_WAIT,    SEG_EV_ACQUIRED,
						    SEG_EV_SIGNAL, SEG_EV_FINDING, SEG_EV_WAIT};

	for (uint32_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++) {
		struct seg_event *e = segment_fixture_record(f, SEG_EVENTS, n % 4 + 1);

		*e = (struct seg_event){.seq = 2 * (n + 1),
					.kind = kinds[n],
					.mode = SEG_MODE_WRITE,
					.tid = FIXTURE_PID,
					.ns = 2000 + n * 1000,
					.value = kinds[n] == SEG_EV_WAIT && n > 2 ? 2 : 1};
	}
	f->header.events_written = 6;
}

void segment_fixture_fill(struct segment_fixture *f)
{
	static const char *const paths[] = {"/datastore/cyrus.index", "/datastore/cyrus.header",
					    "/datastore/annotations.db"};

	struct seg_thread *t = segment_fixture_add(f, SEG_THREADS, NULL);
	t->tid = FIXTURE_PID;
	t->handler_depth = 1;
	t->handler_signo = SIGALRM;
	t->finding = 1;
	t->wait = 2;
	t->call_since_ns = 6000;
	for (uint32_t i = 0; i < 3; i++) {
		struct seg_resource *r = segment_fixture_add(f, SEG_RESOURCES, NULL);
		r->kind = SEG_RES_FILE;
		r->key1 = 0xfe00;
		r->key2 = 100 + i;
		r->path = segment_fixture_string(f, paths[i]);
	}
	for (uint32_t i = 0; i < 3; i++)
		*(uint64_t *)segment_fixture_add(f, SEG_PCS, NULL) = 0x5000 + i * 0x10;
	struct seg_stack *s = segment_fixture_add(f, SEG_STACKS, NULL);
	s->count = 3;
	struct seg_handler *h = segment_fixture_add(f, SEG_HANDLERS, NULL);
	h->signo = SIGALRM;
	h->handler = 0x5020;
	h->current = 1;
	h->deliveries = 3;
	add_lock(f, SEG_LOCK_HELD, 1, 3000);
	add_lock(f, SEG_LOCK_WAITING, 2, 5000);
	add_lock(f, SEG_LOCK_POLLING, 3, 5500);
	add_finding(f);
	add_events(f);
}

int segment_fixture_write(const struct segment_fixture *f, size_t length, const char *dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%d-%" PRIu64 "-%u" SEG_SUFFIX, dir, f->header.pid,
		 f->header.start_time, f->header.image);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	ssize_t written = write(fd, f->data, length);

	close(fd);
	return written == (ssize_t)length ? 0 : -EIO;
}
