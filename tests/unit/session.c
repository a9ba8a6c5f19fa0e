/* Directories of sessions: what is made, what is removed, and what never may be. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/collector.h"
#include "collector/segment/session.h"
#include "tests/unit/segment_fixture.h"
#include "tests/unit/unit.h"

static char top[64], dir[PATH_MAX], path[PATH_MAX];
static struct collect_error error;
static struct segment_fixture f;

static void begin(void)
{
	strcpy(top, "/tmp/lockjam-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(top));
	snprintf(dir, sizeof(dir), "%s/s", top);
}

static const char *in(const char *folder, const char *name)
{
	static char text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s/%s", folder, name);
	return text;
}

static void touch(const char *name)
{
	int fd = open(in(dir, name), O_WRONLY | O_CREAT, 0600);

	CU_ASSERT(fd >= 0);
	close(fd);
}

static void is_made_and_removed(void)
{
	begin();
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	CU_ASSERT_STRING_EQUAL(path, dir);
	CU_ASSERT_EQUAL(session_live_count(dir), 0);
	CU_ASSERT(session_is_marked(dir));
	/* Again: a session may be gone on with. */
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	touch("12-34-0.seg");
	touch("12-34-1.seg");
	CU_ASSERT_EQUAL(session_live_count(dir), 0);
	CU_ASSERT_EQUAL(session_remove(dir), 0);
	CU_ASSERT_EQUAL(access(dir, F_OK), -1);
	rmdir(top);
}

static void keeps_what_is_not_its_own(void)
{
	begin();
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	touch("precious");
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), -ENOTEMPTY);
	CU_ASSERT_STRING_EQUAL(error.object, dir);
	CU_ASSERT_EQUAL(session_remove(dir), -EINVAL);
	CU_ASSERT_EQUAL(session_live_count(dir), -EINVAL);
	CU_ASSERT_EQUAL(access(in(dir, "precious"), F_OK), 0);
	/* In a session, too, only records are removed; what stays can still be removed later. */
	unlink(in(dir, "precious"));
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	touch("precious");
	touch("12-34-0.seg");
	CU_ASSERT_EQUAL(session_remove(dir), -ENOTEMPTY);
	CU_ASSERT_EQUAL(access(in(dir, "precious"), F_OK), 0);
	CU_ASSERT_EQUAL(access(in(dir, "12-34-0.seg"), F_OK), -1);
	unlink(in(dir, "precious"));
	CU_ASSERT_EQUAL(session_remove(dir), 0);
	rmdir(top);
}

static void follows_no_links(void)
{
	char victim[PATH_MAX];

	begin();
	snprintf(victim, sizeof(victim), "%s/victim", top);
	CU_ASSERT_EQUAL(mkdir(victim, 0700), 0);
	close(open(in(victim, "1-1-0.seg"), O_WRONLY | O_CREAT, 0600));
	/* Neither the session itself nor its mark may be a link. */
	CU_ASSERT_EQUAL(symlink(victim, dir), 0);
	CU_ASSERT_EQUAL(session_remove(dir), -EINVAL);
	unlink(dir);
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	CU_ASSERT_EQUAL(rename(in(dir, "session"), "/tmp/lockjam-unit-mark"), 0);
	CU_ASSERT_EQUAL(symlink("/tmp/lockjam-unit-mark", in(dir, "session")), 0);
	CU_ASSERT_EQUAL(session_remove(dir), -EINVAL);
	unlink(in(dir, "session"));
	unlink("/tmp/lockjam-unit-mark");
	rmdir(dir);
	CU_ASSERT_EQUAL(access(in(victim, "1-1-0.seg"), F_OK), 0);
	unlink(in(victim, "1-1-0.seg"));
	rmdir(victim);
	rmdir(top);
}

static void says_what_is_wrong(void)
{
	begin();
	CU_ASSERT_EQUAL(session_create(in(top, "no/such/parent"), path, sizeof(path), &error),
			-ENOENT);
	CU_ASSERT_STRING_EQUAL(error.cause, "No such file or directory");
	CU_ASSERT(error.advice[0] != 0);
	close(open(in(top, "file"), O_WRONLY | O_CREAT, 0600));
	CU_ASSERT(session_create(in(top, "file"), path, sizeof(path), &error) < 0);
	CU_ASSERT_EQUAL(session_remove(in(top, "file")), -EINVAL);
	CU_ASSERT_EQUAL(session_remove(in(top, "none")), -ENOENT);
	unlink(in(top, "file"));
	rmdir(top);
}

static int open_dir(struct collector **c)
{
	struct collect_options options = {.dir = dir, .want_events = true};

	error = (struct collect_error){0};
	return collector_open(&options, c, &error);
}

static void saved_sessions_are_read(void)
{
	struct collector *c;

	begin();
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	segment_fixture_init(&f);
	segment_fixture_fill(&f);
	CU_ASSERT_EQUAL(segment_fixture_write(&f, FIXTURE_SIZE, dir), 0);
	f.header.pid++;
	CU_ASSERT_EQUAL(segment_fixture_write(&f, 5000, dir), 0); /* cut */
	f.header.pid++;
	f.header.min_reader = 99;
	CU_ASSERT_EQUAL(segment_fixture_write(&f, FIXTURE_SIZE, dir), 0);
	CU_ASSERT_EQUAL_FATAL(open_dir(&c), 0);
	const struct model *m = collector_model(c);
	CU_ASSERT_PTR_NULL(model_check(m));
	CU_ASSERT_EQUAL_FATAL(m->processes.count, 1);
	CU_ASSERT_EQUAL(m->processes.items[0].state, PROCESS_KILLED);
	CU_ASSERT_EQUAL(m->locks.count, 3);
	CU_ASSERT_EQUAL(m->locks.items[0].evidence, EVIDENCE_RECORDED);
	CU_ASSERT_EQUAL(m->now_ns, 7000); /* of the last event */
	CU_ASSERT_EQUAL(m->now_real_ns, UINT64_C(1425211200000000000) + 6000);
	CU_ASSERT_EQUAL_FATAL(m->events.count, 4);
	CU_ASSERT_STRING_EQUAL(m->events.items[3].text, "asks for a WRITE lock on a file");
	CU_ASSERT_EQUAL(m->notes.count, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(m->notes.items[0].text, "truncated"));
	CU_ASSERT_PTR_NOT_NULL(strstr(m->notes.items[1].text, "newer lockjam"));
	collector_close(c);
	CU_ASSERT_EQUAL(session_remove(dir), 0);
	rmdir(top);
}

static void unreadable_sessions_are_refused(void)
{
	struct collector *c;

	begin();
	CU_ASSERT_EQUAL(session_create(dir, path, sizeof(path), &error), 0);
	CU_ASSERT_EQUAL_FATAL(open_dir(&c), 0); /* empty: nothing was recorded */
	collector_close(c);
	segment_fixture_init(&f);
	CU_ASSERT_EQUAL(segment_fixture_write(&f, 0, dir), 0);
	CU_ASSERT_EQUAL_FATAL(open_dir(&c), 0); /* killed before it was ready: a note */
	CU_ASSERT_EQUAL(collector_model(c)->notes.count, 1);
	collector_close(c);
	f.header.min_reader = 99;
	CU_ASSERT_EQUAL(segment_fixture_write(&f, FIXTURE_SIZE, dir), 0);
	CU_ASSERT_EQUAL(open_dir(&c), -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(error.advice, "use the lockjam that recorded it");
	CU_ASSERT_EQUAL(session_remove(dir), 0);
	rmdir(top);
}

static void what_is_no_session_is_refused(void)
{
	struct collector *c;

	begin();
	CU_ASSERT_EQUAL(open_dir(&c), -ENOENT);
	CU_ASSERT_STRING_EQUAL(error.object, dir);
	CU_ASSERT_EQUAL(mkdir(dir, 0700), 0);
	CU_ASSERT_EQUAL(open_dir(&c), -EINVAL);
	rmdir(dir);
	int fd = open(dir, O_WRONLY | O_CREAT, 0600);
	CU_ASSERT_EQUAL(open_dir(&c), -ENODATA); /* its writer may have come no further */
	CU_ASSERT_EQUAL(write(fd, "junk", 4), 4);
	close(fd);
	CU_ASSERT_EQUAL(open_dir(&c), -EINVAL);
	CU_ASSERT(error.cause[0] != 0);
	unlink(dir);
	rmdir(top);
}

static const struct unit_test tests[] = {
	{"is made and removed", is_made_and_removed},
	{"keeps what is not its own", keeps_what_is_not_its_own},
	{"follows no links", follows_no_links},
	{"says what is wrong", says_what_is_wrong},
	{"saved sessions are read, damaged records noted", saved_sessions_are_read},
	{"a session of which nothing can be read is refused", unreadable_sessions_are_refused},
	{"what is no session is refused", what_is_no_session_is_refused},
	{NULL, NULL},
};
const struct unit_suite unit_session = {tests};
