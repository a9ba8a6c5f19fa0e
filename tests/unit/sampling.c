/* What `lockjam attach` writes, read again; and what it takes for a change of /proc/locks. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/sample/sample_segment.h"
#include "collector/sample/sample_watch.h"
#include "collector/segment/segment_read.h"
#include "tests/unit/unit.h"

#define NAME "4711-99-0" SEG_SUFFIX

static char where[] = "/tmp/lockjam-sampling-XXXXXX";
static int dir = -1;

static void begin(void)
{
	strcpy(where + strlen(where) - 6, "XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(where));
	dir = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_FATAL(dir >= 0);
}

static void end(void)
{
	unlinkat(dir, NAME, 0);
	unlinkat(dir, "4711-99-1" SEG_SUFFIX, 0);
	unlinkat(dir, "proc/locks", 0);
	unlinkat(dir, "proc", AT_REMOVEDIR);
	close(dir);
	CU_ASSERT_EQUAL(rmdir(where), 0);
}

static struct sample_segment *new_segment(void)
{
	struct seg_header h = {.pid = 4711, .start_time = 99, .sample_interval_ns = 100000000};
	struct sample_segment *s = NULL;

	CU_ASSERT_EQUAL_FATAL(sample_segment_new(dir, &h, &s), 0);
	return s;
}

static struct segment *read_back(const char *name)
{
	struct segment *s = NULL;
	char cause[128] = "";

	CU_ASSERT_EQUAL_FATAL(segment_probe_at(dir, name, &s, cause, sizeof(cause)), 0);
	CU_ASSERT_EQUAL_FATAL(segment_load(s, SEGMENT_LIVE, cause, sizeof(cause)), 0);
	return s;
}

static void what_is_written_is_read(void)
{
	const uint64_t pcs[] = {0x1000, 0x2000 | SEG_PC_EXACT}, others[] = {0x1000, 0x3000};
	uint64_t found[4];
	struct seg_resource resource;
	struct seg_stack stack;

	begin();
	struct sample_segment *s = new_segment();
	uint32_t index = sample_record_new(s, SEG_RESOURCES);
	struct seg_resource *r = sample_record(s, SEG_RESOURCES, index);

	r->key2 = 12;
	r->path = sample_string(s, "/a/path");
	struct segment *early = read_back(NAME);

	CU_ASSERT_EQUAL(segment_read(early, SEG_RESOURCES, 1, &resource, sizeof(resource)), -EAGAIN);
	segment_close(early);
	sample_record_end(s, SEG_RESOURCES, index);
	CU_ASSERT_EQUAL(sample_stack(s, pcs, 2, SEG_STACK_MARKED), 1);
	CU_ASSERT_EQUAL(sample_stack(s, others, 2, SEG_STACK_MARKED), 2);
	CU_ASSERT_EQUAL(sample_stack(s, pcs, 2, SEG_STACK_MARKED), 1);
	struct segment *back = read_back(NAME);

	CU_ASSERT_TRUE(segment_is_sampled(back));
	CU_ASSERT_EQUAL(segment_header(back)->min_reader, SEG_MIN_READER_SAMPLED);
	CU_ASSERT_EQUAL(segment_torn(back), 0);
	CU_ASSERT_EQUAL(segment_read(back, SEG_RESOURCES, 1, &resource, sizeof(resource)), 0);
	CU_ASSERT_EQUAL(resource.key2, 12);
	CU_ASSERT_STRING_EQUAL(segment_text(back, resource.path), "/a/path");
	CU_ASSERT_EQUAL(segment_count(back, SEG_STACKS), 2);
	CU_ASSERT_EQUAL(segment_read(back, SEG_STACKS, 1, &stack, sizeof(stack)), 0);
	CU_ASSERT_EQUAL(segment_stack_pcs(back, &stack, found, 4), 2);
	CU_ASSERT_EQUAL(found[1], pcs[1]);
	segment_close(back);
	sample_segment_free(s);
	end();
}

/* More events than the ring has, more records than a table has, a name that is taken. */
static void what_is_full_is_counted(void)
{
	struct seg_event event;

	begin();
	struct sample_segment *s = new_segment(), *next = new_segment();
	uint32_t ring = sample_segment_header(s)->tables[SEG_EVENTS].capacity;
	uint32_t threads = sample_segment_header(s)->tables[SEG_THREADS].capacity;

	CU_ASSERT_EQUAL(sample_segment_header(next)->image, 1);
	for (uint32_t i = 0; i <= ring; i++)
		sample_event(s, &(struct seg_event){.kind = SEG_EV_START, .ns = i});
	for (uint32_t i = 0; i <= threads; i++) {
		uint32_t index = sample_record_new(s, SEG_THREADS);

		CU_ASSERT_EQUAL(index, i < threads ? i + 1 : 0);
		if (index)
			sample_record_end(s, SEG_THREADS, index);
	}
	struct segment *back = read_back(NAME);

	CU_ASSERT_EQUAL(segment_header(back)->events_written, ring + 1);
	CU_ASSERT_EQUAL(segment_read(back, SEG_EVENTS, 1, &event, sizeof(event)), 0);
	CU_ASSERT_EQUAL(event.ns, ring);
	CU_ASSERT_EQUAL(segment_count(back, SEG_THREADS), threads);
	CU_ASSERT_EQUAL(segment_header(back)->tables[SEG_THREADS].dropped, 1);
	segment_close(back);
	sample_segment_free(s);
	sample_segment_free(next);
	end();
}

static void write_locks(const char *text)
{
	int fd = openat(dir, "proc/locks", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

#define OURS "1: POSIX  ADVISORY  WRITE 10 00:01:100 0 EOF\n"
#define WAIT "1: -> POSIX  ADVISORY  WRITE 11 00:01:100 0 EOF\n"
#define FOREIGN "2: POSIX  ADVISORY  WRITE 77 00:01:777 0 EOF\n"
#define RENUMBERED "9: POSIX  ADVISORY  WRITE 10 00:01:100 0 EOF\n"
#define UNNAMED "3: OFDLCK ADVISORY  WRITE -1 00:01:888 0 EOF\n"

static void only_what_matters_is_a_change(void)
{
	struct sample_watch w = {0};
	struct model *m = model_new();

	begin();
	CU_ASSERT_EQUAL_FATAL(mkdirat(dir, "proc", 0700), 0);
	write_locks(OURS);
	w.proc = proc_new(where);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 0); /* nobody is known yet */
	uint32_t process = model_add_process(m), resource = model_add_resource(m);

	m->processes.items[process].pid = 10;
	m->resources.items[resource].ino = 100;
	CU_ASSERT_TRUE(sample_watch_learn(&w, m));
	CU_ASSERT_EQUAL(sample_watch_look(&w), 0);
	write_locks(FOREIGN RENUMBERED);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 0);
	write_locks(FOREIGN RENUMBERED WAIT); /* not of ours, but behind one */
	CU_ASSERT_EQUAL(sample_watch_look(&w), 1);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 0);
	write_locks(FOREIGN RENUMBERED WAIT UNNAMED); /* may be ours */
	CU_ASSERT_EQUAL(sample_watch_look(&w), 1);
	write_locks(FOREIGN UNNAMED);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 1);
	w.wants_strangers = true; /* a name: whoever comes may have it, but is asked for once */
	write_locks(UNNAMED);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 0);
	write_locks(UNNAMED FOREIGN);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 1);
	write_locks(UNNAMED);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 1);
	write_locks(UNNAMED FOREIGN);
	CU_ASSERT_EQUAL(sample_watch_look(&w), 0);
	sample_watch_done(&w);
	proc_free((struct proc *)w.proc);
	model_free(m);
	end();
}

static const struct unit_test tests[] = {
	{"what is written is read, also while it is written", what_is_written_is_read},
	{"what is full is counted, and no file is written twice", what_is_full_is_counted},
	{"of /proc/locks only what matters is a change", only_what_matters_is_a_change},
	{NULL, NULL},
};
const struct unit_suite unit_sampling = {tests};
