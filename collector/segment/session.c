/*
 * Directories of sessions: made, listed, counted, removed. A small file `session` marks a
 * directory as ours, so that nothing else is ever emptied; whatever is in a session beside records
 * and the mark is left alone. Other users may write into root's sessions: no name in there is
 * followed if it is a link.
 */
#include "config.h"

#include "collector/segment/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/segment/segment_name.h"
#include "preload/segment.h"

#define ROOT_BASE "/run/lockjam"
#define USER_PARENT "/dev/shm"
#define USER_PREFIX "lockjam-"
#define MARK "session"
#define MARK_LINE "lockjam session 1\n"

static bool is_record(const char *name)
{
	size_t length = strlen(name), suffix = strlen(SEG_SUFFIX);

	return length > suffix && !strcmp(name + length - suffix, SEG_SUFFIX);
}

static bool is_marked_at(int dir)
{
	char line[sizeof(MARK_LINE)] = "";
	struct stat st;
	int fd = openat(dir, MARK, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool is = !fstat(fd, &st) && S_ISREG(st.st_mode) &&
		  read(fd, line, strlen(MARK_LINE)) == (ssize_t)strlen(MARK_LINE) &&
		  !strcmp(line, MARK_LINE);

	close(fd);
	return is;
}

bool session_is_marked(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return false;
	bool is = is_marked_at(dir);

	close(dir);
	return is;
}

int session_base(char *path, size_t size)
{
	bool is_root = geteuid() == 0;
	struct stat st;

	if (is_root)
		snprintf(path, size, "%s", ROOT_BASE);
	else
		snprintf(path, size, USER_PARENT "/" USER_PREFIX "%u", (unsigned)geteuid());
	if (!mkdir(path, is_root ? 0755 : 0700)) {
		/* The umask may have taken bits away. */
		return chmod(path, is_root ? 0755 : 0700) ? -errno : 0;
	}
	if (errno != EEXIST)
		return -errno;
	if (lstat(path, &st))
		return -errno;
	/* Somebody else may have put it there first: /dev/shm is open to all. */
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	return 0;
}

static int write_mark(int dir)
{
	char text[128];
	struct timespec now;
	int fd = openat(dir, MARK, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno == EEXIST && is_marked_at(dir) ? 0 : -errno;
	clock_gettime(CLOCK_REALTIME, &now);
	int length =
		snprintf(text, sizeof(text), MARK_LINE "created %lld\n", (long long)now.tv_sec);
	ssize_t written = write(fd, text, length);
	int error = written < 0 ? errno : ENOSPC;

	close(fd);
	if (written == length)
		return 0;
	unlinkat(dir, MARK, 0);
	return -error;
}

static bool is_empty(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	bool is = true;

	if (!d) {
		if (copy >= 0)
			close(copy);
		return false;
	}
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			is = false;
	closedir(d);
	return is;
}

/* A name by the time, so that listings are in order; `n` when it is taken already. */
static void new_name(char *path, size_t size, const char *base, int n)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	snprintf(path, size, "%s/%04d%02d%02d-%02d%02d%02d-%d.%d", base, tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)getpid(), n);
}

static int make_new(char *path, size_t size, struct collect_error *error)
{
	char base[PATH_MAX];
	int r = session_base(base, sizeof(base));

	if (r == -EPERM)
		return collect_fail(error, r, base,
				    "belongs to another user, or others may write to it",
				    "remove it, or choose a directory with -o");
	if (r)
		return collect_fail(error, r, base, strerror(-r), "choose a directory with -o");
	for (int i = 0; i < 1000; i++) {
		new_name(path, size, base, i);
		if (!mkdir(path, 0700))
			return 0;
		if (errno != EEXIST)
			break;
	}
	return collect_fail(error, -errno, path, strerror(errno), "choose a directory with -o");
}

/* Turns the directory into a session; the mark is written before others may write there. */
static int furnish(const char *path, struct collect_error *error)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (dir < 0)
		return collect_fail(error, -errno, path, strerror(errno), "");
	if (!is_marked_at(dir) && !is_empty(dir)) {
		close(dir);
		return collect_fail(error, -ENOTEMPTY, path, "is neither empty nor a session",
				    "choose another directory");
	}
	r = write_mark(dir);
	if (!r && fchmod(dir, geteuid() == 0 ? 01733 : 0700))
		r = -errno;
	close(dir);
	return r ? collect_fail(error, r, path, strerror(-r), "choose another directory with -o")
		 : 0;
}

/*
 * Sessions elsewhere are found by the live view through links in the base. Links to what is gone
 * are removed on the way; `target` NULL removes no more than those.
 */
static void prune_links(const char *base, const char *target)
{
	char to[PATH_MAX];
	DIR *dir = opendir(base);

	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir));) {
		ssize_t length = readlinkat(dirfd(dir), e->d_name, to, sizeof(to) - 1);

		if (length < 0)
			continue;
		to[length] = 0;
		if ((target && !strcmp(to, target)) || (access(to, F_OK) && errno == ENOENT))
			unlinkat(dirfd(dir), e->d_name, 0);
	}
	closedir(dir);
}

/* Failing only means that the live view has to be told the directory. */
static void link_session(const char *path)
{
	char base[PATH_MAX], link[PATH_MAX];

	if (session_base(base, sizeof(base)))
		return;
	size_t length = strlen(base);

	if (!strncmp(path, base, length) && path[length] == '/')
		return;
	prune_links(base, path);
	for (int i = 0; i < 1000; i++) {
		new_name(link, sizeof(link), base, i);
		if (!symlink(path, link) || errno != EEXIST)
			return;
	}
}

int session_create(const char *dir, char *path, size_t size, struct collect_error *error)
{
	char resolved[PATH_MAX];
	bool is_new = true;
	int r = 0;

	if (!dir) {
		r = make_new(path, size, error);
	} else {
		snprintf(path, size, "%s", dir);
		is_new = !mkdir(dir, 0700);
		if (!is_new && errno != EEXIST)
			r = collect_fail(error, -errno, dir, strerror(errno),
					 errno == ENOENT ? "make its parent directory first" : "");
	}
	if (r)
		return r;
	r = furnish(path, error);
	if (r) {
		if (is_new)
			rmdir(path);
		return r;
	}
	/* Programs change their directory: they need a path that does not depend on it. */
	if (!realpath(path, resolved))
		return collect_fail(error, -errno, path, strerror(errno), "");
	if ((size_t)snprintf(path, size, "%s", resolved) >= size)
		return collect_fail(error, -ENAMETOOLONG, resolved, strerror(ENAMETOOLONG), "");
	link_session(path);
	return 0;
}

static int open_session(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOTDIR || errno == ELOOP ? -EINVAL : -errno;
	if (is_marked_at(dir))
		return dir;
	close(dir);
	return -EINVAL;
}

int session_live_count(const char *path)
{
	int fd = open_session(path), count = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct proc *proc = proc_new("/");

	if (!dir || !proc) {
		proc_free(proc);
		if (dir)
			closedir(dir);
		return fd < 0 ? fd : -ENOMEM;
	}
	for (struct dirent *e; (e = readdir(dir));)
		count += is_record(e->d_name) && segment_name_is_running(proc, e->d_name);
	closedir(dir);
	proc_free(proc);
	return count;
}

/* The record of the pid's newest process. */
static bool find_newest(DIR *dir, pid_t pid, char name[NAME_MAX + 1])
{
	struct segment_name best = {0}, parts;
	bool is_found = false;

	for (struct dirent *e; (e = readdir(dir));) {
		if (!is_record(e->d_name) || !segment_name_parse(e->d_name, &parts) || parts.pid != pid)
			continue;
		if (is_found && (parts.start_time < best.start_time ||
				 (parts.start_time == best.start_time && parts.image < best.image)))
			continue;
		best = parts;
		is_found = true;
		snprintf(name, NAME_MAX + 1, "%s", e->d_name);
	}
	return is_found;
}

static void write_killed(int fd, pid_t pid, int signo)
{
	uint32_t state = SEG_KILLED;
	int32_t status = signo;
	struct seg_header h;

	if (pread(fd, &h, SEG_HEADER_SIZE_1, 0) != SEG_HEADER_SIZE_1 || h.magic != SEG_MAGIC ||
	    h.version < 4 || h.pid != pid || h.state != SEG_RUNNING)
		return;
	if (pwrite(fd, &status, sizeof(status), offsetof(struct seg_header, exit_status)) ==
	    sizeof(status))
		h.state = pwrite(fd, &state, sizeof(state), offsetof(struct seg_header, state)) > 0;
}

void session_note_killed(const char *path, pid_t pid, int signo)
{
	int fd = open_session(path), record = -1;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char name[NAME_MAX + 1];

	if (!dir)
		return;
	if (find_newest(dir, pid, name))
		record = openat(fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (record >= 0) {
		write_killed(record, pid, signo);
		close(record);
	}
	closedir(dir);
}

int session_has_records(const char *path)
{
	int fd = open_session(path), has_any = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return fd < 0 ? fd : -ENOMEM;
	for (struct dirent *e; (e = readdir(dir));)
		has_any |= is_record(e->d_name);
	closedir(dir);
	return has_any;
}

int session_remove(const char *path)
{
	char base[PATH_MAX];
	int fd = open_session(path);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return fd < 0 ? fd : -ENOMEM;
	for (struct dirent *e; (e = readdir(dir));)
		if (is_record(e->d_name))
			unlinkat(fd, e->d_name, 0);
	/* The mark goes last: a removal that was interrupted can be repeated. */
	unlinkat(fd, MARK, 0);
	int r = rmdir(path) ? -errno : 0;

	if (r == -ENOTEMPTY)
		write_mark(fd);
	else if (!r && !session_base(base, sizeof(base)))
		prune_links(base, NULL);
	closedir(dir);
	return r;
}

/* Appends a copy of `path`. */
static void add_path(const char *path, char ***paths, size_t *count)
{
	char **grown = reallocarray(*paths, *count + 1, sizeof(**paths));

	if (!grown)
		return;
	*paths = grown;
	grown[*count] = strdup(path);
	*count += grown[*count] != NULL;
}

/* The directories in `base`; links to directories elsewhere only where nobody else
 * could make them. */
static void add_sessions(const char *base, char ***paths, size_t *count)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct stat st;
	DIR *dir = opendir(base);

	if (!dir)
		return;
	bool is_trusted = !fstat(dirfd(dir), &st) && (!st.st_uid || st.st_uid == geteuid()) &&
			  !(st.st_mode & 022);

	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		snprintf(path, sizeof(path), "%s/%s", base, e->d_name);
		if (S_ISDIR(st.st_mode))
			add_path(path, paths, count);
		else if (S_ISLNK(st.st_mode) && is_trusted && realpath(path, target))
			add_path(target, paths, count);
	}
	closedir(dir);
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

ssize_t session_list(char ***result)
{
	static const char prefix[] = USER_PARENT "/" USER_PREFIX;
	char **paths = NULL, **users = NULL;
	size_t count = 0, user_count = 0;

	add_sessions(ROOT_BASE, &paths, &count);
	add_sessions(USER_PARENT, &users, &user_count);
	for (size_t i = 0; i < user_count; i++) {
		if (!strncmp(users[i], prefix, strlen(prefix)))
			add_sessions(users[i], &paths, &count);
		free(users[i]);
	}
	free(users);
	if (count)
		qsort(paths, count, sizeof(*paths), compare_paths);
	*result = paths;
	return count;
}
