/*
 * Makes the file of a segment, or a memfd where no session directory can be reached. Every
 * failure is silent and leaves nothing behind: the program goes on unrecorded.
 *
 * Descriptors: one at a time, close-on-exec, closed at once. Where descriptor 0, 1 or 2 is
 * closed ours may be it for that moment; moving it up would only open a second one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"
#include "preload/text.h"

#define MAX_IMAGES 10000

/* From the environment of exec: later the program may clear or move its environment. */
static struct {
	char path[SEGMENT_PATH_MAX - 64]; /* empty: none */
	char title[sizeof(((struct seg_header *)0)->title)];
} directory;

static size_t segment_page_size(void)
{
	return getauxval(AT_PAGESZ);
}

static bool is_directory_of(const char *path, uint32_t uid)
{
	struct stat st;

	return sys_lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid;
}

/* The default session, if somebody made it: never a directory that another user owns. */
static void default_directory(struct text *text, uint32_t uid)
{
	if (uid == 0) {
		text_string(text, "/run/lockjam");
	} else {
		text_string(text, "/dev/shm/lockjam-");
		text_number(text, uid);
	}
	if (!is_directory_of(directory.path, uid)) {
		directory.path[0] = '\0';
		return;
	}
	text_string(text, "/default");
	if (!is_directory_of(directory.path, uid))
		directory.path[0] = '\0';
}

void segment_file_find_directory(void)
{
	const char *value = getenv(SEG_ENV_DIR);
	const char *title = getenv("CYRUS_SERVICE");
	struct text text;

	text_init(&text, directory.title, sizeof(directory.title));
	text_string(&text, title ? title : "");
	text_init(&text, directory.path, sizeof(directory.path));
	if (value && value[0] == '/')
		text_string(&text, value);
	else if (!value || !value[0])
		default_directory(&text, (uint32_t)sys0(SYS_getuid));
	if (text.cut)
		directory.path[0] = '\0';
}

/* One byte of an environment: keeps the value of CYRUS_SERVICE. `matched`: so much of the name was seen. */
static void feed_title(struct text *title, uint32_t *matched, char c)
{
	static const char name[] = "CYRUS_SERVICE=";
	const uint32_t length = sizeof(name) - 1;

	if (!c)
		*matched = 0;
	else if (*matched == length)
		text_char(title, c);
	else if (*matched < length && c == name[*matched])
		(*matched)++;
	else
		*matched = UINT32_MAX; /* until the next entry */
}

/* The environment of exec; the program's own may be changed by another thread while it is read. */
static void find_title(void)
{
	int fd = sys_open("/proc/self/environ", O_RDONLY | O_CLOEXEC, 0);
	uint32_t matched = 0;
	char buffer[512];
	struct text text;
	long size;

	text_init(&text, directory.title, sizeof(directory.title));
	if (fd < 0)
		return;
	while ((size = sys_read(fd, buffer, sizeof(buffer))) > 0)
		for (long i = 0; i < size; i++)
			feed_title(&text, &matched, buffer[i]);
	sys_close(fd);
}

int segment_file_set_directory(const char *path)
{
	struct text text;

	find_title();

	text_init(&text, directory.path, sizeof(directory.path));
	if (!path)
		default_directory(&text, (uint32_t)sys0(SYS_getuid));
	else if (path[0] == '/')
		text_string(&text, path);
	if ((path && path[0] != '/') || text.cut) {
		directory.path[0] = '\0';
		return -EINVAL;
	}
	return 0;
}

const char *segment_file_directory(void)
{
	return directory.path;
}

bool segment_file_path(char path[SEGMENT_PATH_MAX], uint64_t start_time, uint32_t image)
{
	struct text text;

	text_init(&text, path, SEGMENT_PATH_MAX);
	text_string(&text, directory.path);
	text_char(&text, '/');
	text_number(&text, (uint64_t)sys_getpid());
	text_char(&text, '-');
	text_number(&text, start_time);
	text_char(&text, '-');
	text_number(&text, image);
	text_string(&text, SEG_SUFFIX);
	return !text.cut;
}

static long read_file(const char *path, char *buffer, size_t size)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	size_t used = 0;
	long n;

	if (fd < 0)
		return fd;
	while (used < size && (n = sys_read(fd, buffer + used, size - used)) > 0)
		used += (size_t)n;
	sys_close(fd);
	return (long)used;
}

/* Field 22 of /proc/self/stat; the name in field 2 may hold anything, so count from its ')'. */
static uint64_t read_start_time(void)
{
	char buffer[1024];
	long size = read_file("/proc/self/stat", buffer, sizeof(buffer) - 1);
	uint64_t value = 0;
	char *p;

	if (size <= 0)
		return 0;
	buffer[size] = '\0';
	p = strrchr(buffer, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return 0;
	for (p++; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	return value;
}

/* The first image that is free. O_EXCL, so that no file that is there is ever written to. */
static int open_file(struct segment_file *file, uint64_t start_time)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	if (!directory.path[0])
		return -ENOENT;
	for (file->image = 0; file->image < MAX_IMAGES; file->image++) {
		int fd;

		if (!segment_file_path(file->path, start_time, file->image))
			return -ENAMETOOLONG;
		fd = sys_open(file->path, flags, 0600);
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

/* MADV_POPULATE_WRITE is Linux 5.14. Older kernels get the first pages of each table now. */
static bool first_pages(struct segment_file *file, int fd, const struct seg_table *tables)
{
	long page = (long)segment_page_size();

	if (sys_madvise(file->header, (size_t)page, MADV_POPULATE_WRITE) == 0) {
		file->grows = true;
		return true;
	}
	file->grows = false;
	if (sys4(SYS_fallocate, fd, 0, 0, page) < 0)
		return false;
	for (int i = 0; i < SEG_TABLE_IDS; i++)
		if (tables[i].capacity &&
		    sys4(SYS_fallocate, fd, 0, tables[i].offset, SEGMENT_FIRST_BYTES) < 0)
			return false;
	return true;
}

static int map_file(struct segment_file *file, int fd, const struct seg_table *tables,
		    uint64_t size)
{
	long ret = sys2(SYS_ftruncate, fd, size);

	if (ret < 0)
		return (int)ret;
	file->header = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	if (!file->header)
		return -ENOMEM;
	if (first_pages(file, fd, tables))
		return 0;
	sys_munmap(file->header, size);
	return -ENOSPC;
}

/* Opens, sizes, maps and closes; the file is gone again if it could not be mapped. */
static int map_named(struct segment_file *file, uint64_t start_time,
		     const struct seg_table *tables, uint64_t size)
{
	int fd = open_file(file, start_time);
	int ret;

	if (fd < 0)
		return fd;
	ret = map_file(file, fd, tables, size);
	sys_close(fd);
	if (ret < 0)
		sys_unlink(file->path);
	return ret;
}

static int map_memfd(struct segment_file *file, const struct seg_table *tables, uint64_t size)
{
	int fd = (int)sys2(SYS_memfd_create, SEG_MEMFD_NAME, 1 /* MFD_CLOEXEC */);
	int ret;

	if (fd < 0)
		return fd;
	file->path[0] = '\0';
	file->image = 0;
	ret = map_file(file, fd, tables, size);
	sys_close(fd);
	return ret;
}

static void describe(struct seg_header *header)
{
	long n;

	n = sys_readlink("/proc/self/exe", header->exe, sizeof(header->exe) - 1);
	header->exe[n < 0 ? 0 : n] = '\0';
	n = read_file("/proc/self/cmdline", header->cmdline, sizeof(header->cmdline) - 2);
	n = n < 0 ? 0 : n;
	memset(header->cmdline + n, 0, sizeof(header->cmdline) - (size_t)n);
	memcpy(header->title, directory.title, sizeof(header->title));
}

static void fill_header(struct segment_file *file, uint64_t start_time,
			const struct seg_table *tables, uint64_t size)
{
	struct seg_header *header = file->header;
	struct timespec now;

	header->version = SEG_VERSION;
	header->min_reader = SEG_MIN_READER;
	header->header_size = sizeof(*header);
	header->table_count = SEG_TABLE_IDS < SEG_TABLES_1 ? SEG_TABLE_IDS : SEG_TABLES_1;
	header->file_size = size;
	header->machine = ARCH_ELF_MACHINE;
	header->page_size = (uint32_t)segment_page_size();
	header->pid = sys_getpid();
	header->ppid = (int32_t)sys0(SYS_getppid);
	header->start_time = start_time;
	header->image = file->image;
	header->uid = (uint32_t)sys0(SYS_getuid);
	header->created_mono_ns = shim_now_ns();
	sys2(SYS_clock_gettime, CLOCK_REALTIME, &now);
	header->created_real_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	for (int id = 0; id < SEG_TABLE_IDS; id++)
		SEG_TABLE(header, id) = tables[id];
	describe(header);
	if (!start_time)
		header->limits |= SEG_LIMIT_NO_PROC;
	if (!file->path[0])
		header->limits |= SEG_LIMIT_NO_DIR;
}

int segment_file_create(struct segment_file *file, const struct seg_table *tables, uint64_t size)
{
	uint64_t start_time = read_start_time();
	int ret;

	/* ftruncate beyond the limit would raise SIGXFSZ. */
	if (sys_rlimit(RLIMIT_FSIZE) < size)
		return -EFBIG;
	ret = map_named(file, start_time, tables, size);
	if (ret < 0)
		ret = map_memfd(file, tables, size);
	if (ret < 0)
		return ret;
	fill_header(file, start_time, tables, size);
	return 0;
}
