/* The reader of segments: good ones, and what a damaged or hostile file must not do. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/segment/segment_read.h"
#include "tests/unit/segment_fixture.h"
#include "tests/unit/unit.h"

static struct segment_fixture f;
static char cause[128];

static int open_fixture(size_t length, struct segment **s)
{
	*s = NULL;
	cause[0] = 0;
	return segment_open_memory(f.data, length, s, cause, sizeof(cause));
}

/* Opens what the test made of the fixture, expects `error`, and a cause. */
static void expect_refusal(int error)
{
	struct segment *s;

	CU_ASSERT_EQUAL(open_fixture(FIXTURE_SIZE, &s), error);
	CU_ASSERT_PTR_NULL(s);
	CU_ASSERT(cause[0] != 0);
}

static void reads_what_was_written(void)
{
	struct segment *s;
	struct seg_lock lock;
	struct seg_stack stack;
	uint64_t pcs[8];

	segment_fixture_init(&f);
	segment_fixture_fill(&f);
	CU_ASSERT_EQUAL_FATAL(open_fixture(FIXTURE_SIZE, &s), 0);
	CU_ASSERT_EQUAL(segment_header(s)->pid, FIXTURE_PID);
	CU_ASSERT_EQUAL(segment_count(s, SEG_LOCKS), 3);
	CU_ASSERT_EQUAL(segment_count(s, SEG_EVENTS), 4);
	CU_ASSERT_EQUAL(segment_read(s, SEG_LOCKS, 2, &lock, sizeof(lock)), 0);
	CU_ASSERT_EQUAL(lock.state, SEG_LOCK_WAITING);
	CU_ASSERT_EQUAL(segment_read(s, SEG_LOCKS, 0, &lock, sizeof(lock)), -ERANGE);
	CU_ASSERT_EQUAL(segment_read(s, SEG_LOCKS, 4, &lock, sizeof(lock)), -ERANGE);
	CU_ASSERT_EQUAL(segment_read(s, SEG_STACKS, 1, &stack, sizeof(stack)), 0);
	CU_ASSERT_EQUAL(segment_stack_pcs(s, &stack, pcs, 8), 3);
	CU_ASSERT_EQUAL(pcs[2], 0x5020);
	CU_ASSERT_EQUAL(segment_torn(s), 0);
	segment_close(s);
}

static void refuses_what_is_none(void)
{
	struct segment *s;

	segment_fixture_init(&f);
	CU_ASSERT_EQUAL(open_fixture(0, &s), -ENODATA); /* killed before it had its size */
	CU_ASSERT_EQUAL(open_fixture(sizeof(f.header) - 1, &s), -EINVAL);
	CU_ASSERT_EQUAL(open_fixture(sizeof(f.header), &s), -EINVAL); /* tables behind the end */
	f.header.magic = 0;
	expect_refusal(-ENODATA);
	f.header.magic = 1;
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	f.header.min_reader = SEG_VERSION + 1;
	expect_refusal(-ENOTSUP);
}

static void reads_newer_records(void)
{
	struct segment *s;
	struct seg_thread thread;
	uint8_t *record;

	/* A newer writer's records are longer: what we know of stands at their beginning. */
	segment_fixture_init(&f);
	f.header.version = SEG_VERSION + 7;
	f.header.tables[SEG_THREADS].record_size = sizeof(struct seg_thread) + 8;
	f.header.tables[SEG_THREADS].capacity = 7;
	for (int tid = 1; tid <= 2; tid++) {
		record = segment_fixture_add(&f, SEG_THREADS, NULL);
		((struct seg_thread *)record)->tid = tid;
	}
	CU_ASSERT_EQUAL_FATAL(open_fixture(FIXTURE_SIZE, &s), 0);
	CU_ASSERT_EQUAL(segment_read(s, SEG_THREADS, 2, &thread, sizeof(thread)), 0);
	CU_ASSERT_EQUAL(thread.tid, 2);
	segment_close(s);
}

static void refuses_damaged_tables(void)
{
	segment_fixture_init(&f);
	f.header.tables[SEG_LOCKS].record_size = 8;
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	f.header.tables[SEG_LOCKS].offset = UINT64_MAX - 8;
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	f.header.tables[SEG_LOCKS].capacity = UINT32_MAX;
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	f.header.tables[SEG_LOCKS].offset = 8; /* inside the header */
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	f.header.table_count = SEG_TABLES_MAX + 1;
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	f.header.header_size = 16;
	expect_refusal(-EINVAL);
	segment_fixture_init(&f);
	for (int id = 0; id < SEG_TABLE_IDS; id++) {
		SEG_TABLE(&f.header, id).offset = sizeof(f.header);
		SEG_TABLE(&f.header, id).record_size = 1024;
		SEG_TABLE(&f.header, id).capacity = 16;
	}
	expect_refusal(-EINVAL);
}

static void clamps_counts(void)
{
	struct segment *s;

	segment_fixture_init(&f);
	f.header.tables[SEG_THREADS].used = UINT32_MAX;
	f.header.events_written = UINT64_MAX;
	CU_ASSERT_EQUAL_FATAL(open_fixture(FIXTURE_SIZE, &s), 0);
	CU_ASSERT_EQUAL(segment_count(s, SEG_THREADS), 8);
	CU_ASSERT_EQUAL(segment_count(s, SEG_EVENTS), 4);
	CU_ASSERT_EQUAL(segment_count(s, SEG_TABLE_IDS), 0);
	segment_close(s);
}

static void bounds_what_records_name(void)
{
	struct segment *s;
	uint64_t pcs[4];

	segment_fixture_init(&f);
	segment_fixture_fill(&f);
	/* A last string without an end. */
	uint32_t last = f.header.tables[SEG_STRINGS].used;
	memset(f.data + f.header.tables[SEG_STRINGS].offset + last, 'x', 1024 - last);
	f.header.tables[SEG_STRINGS].used = 1024;
	memset(f.header.exe, 'x', sizeof(f.header.exe));
	memset(f.header.cmdline, 'x', sizeof(f.header.cmdline));
	CU_ASSERT_EQUAL_FATAL(open_fixture(FIXTURE_SIZE, &s), 0);
	CU_ASSERT_STRING_EQUAL(segment_text(s, last), "");
	CU_ASSERT_STRING_EQUAL(segment_text(s, UINT32_MAX), "");
	CU_ASSERT_STRING_EQUAL(segment_text(s, 0), "");
	CU_ASSERT_EQUAL(strlen(segment_header(s)->exe), sizeof(f.header.exe) - 1);
	struct seg_stack stack = {.pcs = 2, .count = UINT32_MAX};
	CU_ASSERT_EQUAL(segment_stack_pcs(s, &stack, pcs, 4), 1);
	stack.pcs = UINT32_MAX;
	CU_ASSERT_EQUAL(segment_stack_pcs(s, &stack, pcs, 4), 0);
	struct seg_slice slice = {.offset = 1, .length = 256};
	CU_ASSERT_PTR_NULL(segment_slice(s, &slice));
	slice.offset = 0;
	CU_ASSERT_PTR_NOT_NULL(segment_slice(s, &slice));
	slice.length = UINT32_MAX;
	CU_ASSERT_PTR_NULL(segment_slice(s, &slice));
	segment_close(s);
}

static void skips_torn_records(void)
{
	struct segment *s;
	struct seg_lock lock;

	segment_fixture_init(&f);
	segment_fixture_fill(&f);
	*(uint32_t *)segment_fixture_record(&f, SEG_LOCKS, 2) = 3;
	CU_ASSERT_EQUAL_FATAL(open_fixture(FIXTURE_SIZE, &s), 0);
	CU_ASSERT_EQUAL(segment_read(s, SEG_LOCKS, 2, &lock, sizeof(lock)), -EAGAIN);
	CU_ASSERT_EQUAL(segment_read(s, SEG_LOCKS, 3, &lock, sizeof(lock)), 0);
	CU_ASSERT_EQUAL(segment_torn(s), 1);
	segment_close(s);
}

static void reads_files_only(void)
{
	char dir[] = "/tmp/lockjam-unit-XXXXXX", path[64];
	struct segment *s;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	/* Must not wait for a writer. */
	CU_ASSERT_EQUAL(segment_open_path(path, false, &s, cause, sizeof(cause)), -EINVAL);
	unlink(path);
	CU_ASSERT_EQUAL(symlink("/etc/passwd", path), 0);
	CU_ASSERT_EQUAL(segment_open_path(path, false, &s, cause, sizeof(cause)), -ELOOP);
	unlink(path);
	CU_ASSERT_EQUAL(segment_open_path(path, false, &s, cause, sizeof(cause)), -ENOENT);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	CU_ASSERT_EQUAL(ftruncate(fd, INT64_C(1) << 40), 0);
	CU_ASSERT_EQUAL(segment_open_path(path, false, &s, cause, sizeof(cause)), -EINVAL);
	close(fd);
	unlink(path);
	rmdir(dir);
}

static void reads_a_memfd(void)
{
	int fd = memfd_create(SEG_MEMFD_NAME, MFD_CLOEXEC);
	struct segment *s;

	segment_fixture_init(&f);
	segment_fixture_fill(&f);
	CU_ASSERT_EQUAL(write(fd, f.data, FIXTURE_SIZE), FIXTURE_SIZE);
	CU_ASSERT_EQUAL_FATAL(segment_open_fd(fd, true, &s, cause, sizeof(cause)), 0);
	close(fd);
	CU_ASSERT_EQUAL(segment_count(s, SEG_LOCKS), 3);
	CU_ASSERT_STRING_EQUAL(segment_text(s, 1), "/datastore/cyrus.index");
	segment_close(s);
}

static const struct unit_test tests[] = {
	{"reads what was written", reads_what_was_written},
	{"refuses what is no segment", refuses_what_is_none},
	{"reads records of a newer writer", reads_newer_records},
	{"refuses tables that do not fit", refuses_damaged_tables},
	{"clamps counts to the tables", clamps_counts},
	{"bounds strings, stacks and slices", bounds_what_records_name},
	{"skips and counts torn records", skips_torn_records},
	{"opens regular files only, and never waits", reads_files_only},
	{"reads a memfd of a living writer", reads_a_memfd},
	{NULL, NULL},
};
const struct unit_suite unit_segment_read = {tests};
