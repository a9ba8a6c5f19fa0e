/*
 * /proc, read below a root prefix. Never opens or stats a target's own files.
 */
#include "config.h"

#include "collector/proc/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define READ_MAX ((size_t)16 << 20)
#define PATH_SIZE 128 /* below /proc: a few numbers and short names */

struct proc {
	int fd; /* of <root>/proc, -1: there is none */
	bool is_recorded, is_here;
};

/* A container may see the /proc of its host, with other numbers than its system calls take. */
static bool shows_us(const struct proc *p)
{
	char self[32];

	return !proc_readlink(p, self, sizeof(self), "self") && atoi(self) == getpid();
}

struct proc *proc_new(const char *root)
{
	struct proc *p = calloc(1, sizeof(*p));
	char *path;

	if (!p || asprintf(&path, "%s/proc", root) < 0) {
		free(p);
		return NULL;
	}
	p->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->is_recorded = strspn(root, "/") != strlen(root);
	p->is_here = !p->is_recorded && shows_us(p);
	free(path);
	return p;
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

const char *proc_access_advice(void)
{
	return geteuid() ? "run as root"
			 : "not even this root may: look from the host, with CAP_SYS_PTRACE";
}

bool proc_is_recorded(const struct proc *p)
{
	return p->is_recorded;
}

bool proc_is_here(const struct proc *p)
{
	return p->is_here;
}

/* openat() below /proc; the descriptor or negative errno. */
static int proc_open(const struct proc *p, int flags, const char *format, va_list arguments)
{
	char path[PATH_SIZE];
	int length = vsnprintf(path, sizeof(path), format, arguments);

	if (length < 0 || length >= PATH_SIZE)
		return -ENAMETOOLONG;
	if (p->fd < 0)
		return -ENOENT;
	int fd = openat(p->fd, length ? path : ".", flags | O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int proc_open_file(const struct proc *p, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int fd = proc_open(p, O_NONBLOCK, format, arguments);
	va_end(arguments);
	return fd;
}

/* Reads to the end into a buffer that grows; 0 or negative errno. */
static int read_all(int fd, char **text, size_t *length)
{
	size_t room = 4096, used = 0;
	char *data = malloc(room);

	while (data) {
		ssize_t got = read(fd, data + used, room - used - 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int error = errno;
			free(data);
			return -error;
		}
		used += got;
		if (got == 0 || used >= READ_MAX)
			break;
		if (room - used < 2048) {
			char *grown = realloc(data, room *= 2);
			if (!grown)
				free(data);
			data = grown;
		}
	}
	if (!data)
		return -ENOMEM;
	data[used] = 0;
	*text = data;
	*length = used;
	return 0;
}

int proc_read(const struct proc *p, char **text, size_t *length, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int fd = proc_open(p, O_NONBLOCK, format, arguments);
	va_end(arguments);
	if (fd < 0)
		return fd;
	int r = read_all(fd, text, length);

	close(fd);
	return r;
}

ssize_t proc_read_some(const struct proc *p, char *text, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int fd = proc_open(p, O_NONBLOCK, format, arguments);
	va_end(arguments);
	if (fd < 0)
		return fd;
	ssize_t got = read(fd, text, size - 1);
	int error = errno;

	close(fd);
	if (got < 0)
		return -error;
	text[got] = 0;
	return got;
}

int proc_readlink(const struct proc *p, char *text, size_t size, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	if (length < 0 || length >= PATH_SIZE)
		return -ENAMETOOLONG;
	if (p->fd < 0)
		return -ENOENT;
	ssize_t got = readlinkat(p->fd, path, text, size - 1);

	if (got < 0)
		return -errno;
	text[got] = 0;
	return 0;
}

bool proc_has(const struct proc *p, const char *format, ...)
{
	char path[PATH_SIZE];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	return length > 0 && length < PATH_SIZE && p->fd >= 0 && !faccessat(p->fd, path, F_OK, 0);
}

bool proc_is_hidden(const struct proc *p, pid_t pid)
{
	if (!p->is_here || proc_has(p, "%d", pid))
		return false;
	return !kill(pid, 0) || errno == EPERM;
}

static int compare_ids(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Appends `id`; false when memory is out. */
static bool ids_add(int **ids, size_t *count, size_t *room, int id)
{
	if (*count == *room) {
		size_t more = *room ? *room * 2 : 64;
		int *grown = reallocarray(*ids, more, sizeof(int));

		if (!grown)
			return false;
		*ids = grown;
		*room = more;
	}
	(*ids)[(*count)++] = id;
	return true;
}

/* The numbers among one portion of a directory's entries; false when memory is out. */
static bool take_entries(const char *data, ssize_t size, int **ids, size_t *count, size_t *room)
{
	for (ssize_t at = 0; at < size;) {
		const struct dirent64 *e = (const void *)(data + at);
		char *end;
		long id = strtol(e->d_name, &end, 10);

		at += e->d_reclen;
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || *end || id > INT32_MAX)
			continue;
		if (!ids_add(ids, count, room, id))
			return false;
	}
	return true;
}

/* getdents() itself: opendir() asks four things more of each of thousands of directories. */
static ssize_t read_ids(int fd, int **result)
{
	char data[16384] __attribute__((aligned(8)));
	int *ids = NULL;
	size_t count = 0, room = 0;
	ssize_t got;

	while ((got = getdents64(fd, data, sizeof(data))) > 0) {
		if (!take_entries(data, got, &ids, &count, &room)) {
			free(ids);
			return -ENOMEM;
		}
	}
	if (got < 0) {
		got = -errno;
		free(ids);
		return got;
	}
	if (count)
		qsort(ids, count, sizeof(int), compare_ids);
	*result = ids;
	return count;
}

ssize_t proc_list(const struct proc *p, int **ids, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int fd = proc_open(p, O_DIRECTORY, format, arguments);
	va_end(arguments);
	if (fd < 0)
		return fd;
	ssize_t count = read_ids(fd, ids);

	close(fd);
	return count;
}

ssize_t proc_list_tasks(const struct proc *p, int **tids, pid_t pid)
{
	char path[PATH_SIZE];
	struct stat st;

	snprintf(path, sizeof(path), "%d/task", pid);
	/* Its own, its parent's, and one of each thread: most processes have one. */
	if (!p->is_recorded && !fstatat(p->fd, path, &st, AT_NO_AUTOMOUNT) && st.st_nlink == 3) {
		*tids = malloc(sizeof(int));
		if (*tids)
			**tids = pid;
		return *tids ? 1 : -ENOMEM;
	}
	return proc_list(p, tids, "%d/task", pid);
}

/*
 * proc_pid_stat(5): pid (comm) state ppid ... The name may hold blanks and parentheses: it ends at
 * the last one. Fields after it, counted from state = 3: 4 ppid, 20 threads, 22 start time.
 */
static int parse_stat(const char *text, struct proc_stat *st)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	struct proc_stat result = {.pid = atoi(text)};

	if (!open || !close || close < open || result.pid <= 0)
		return -EINVAL;
	size_t length = close - open - 1;

	if (length >= sizeof(result.comm))
		length = sizeof(result.comm) - 1;
	memcpy(result.comm, open + 1, length);
	if (sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d "
		   "%" SCNu64,
		   &result.state, &result.ppid, &result.threads, &result.start_time) != 4)
		return -EINVAL;
	*st = result;
	return 0;
}

int proc_read_stat(const struct proc *p, pid_t pid, struct proc_stat *st)
{
	char text[1024];
	ssize_t got = proc_read_some(p, text, sizeof(text), "%d/stat", pid);

	return got < 0 ? got : parse_stat(text, st);
}

int proc_read_task_stat(const struct proc *p, pid_t pid, pid_t tid, struct proc_stat *st)
{
	char text[1024];
	ssize_t got = proc_read_some(p, text, sizeof(text), "%d/task/%d/stat", pid, tid);

	return got < 0 ? got : parse_stat(text, st);
}

/* "running", or "-1 SP PC", or "NUMBER ARG0..ARG5 SP PC", all but the number in hexadecimal. */
int proc_read_syscall(const struct proc *p, pid_t pid, pid_t tid, struct proc_syscall *sc)
{
	char text[512];
	ssize_t got = proc_read_some(p, text, sizeof(text), "%d/task/%d/syscall", pid, tid);
	struct proc_syscall r = {.number = -1};
	int n;

	if (got < 0)
		return got;
	if (!strncmp(text, "running", 7)) {
		r.is_running = true;
		*sc = r;
		return 0;
	}
	n = sscanf(text,
		   "%ld %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
		   " %" SCNx64 " %" SCNx64,
		   &r.number, &r.args[0], &r.args[1], &r.args[2], &r.args[3], &r.args[4],
		   &r.args[5], &r.sp, &r.pc);
	if (n == 3 && r.number == -1) {
		r.sp = r.args[0];
		r.pc = r.args[1];
		r.args[0] = r.args[1] = 0;
	} else if (n != 9) {
		return -EINVAL;
	}
	*sc = r;
	return 0;
}

ssize_t proc_read_memory(const struct proc *p, pid_t pid, uint64_t address, void *data, size_t size)
{
	struct iovec local = {data, size}, remote = {(void *)(uintptr_t)address, size};

	if (!p->is_here)
		return -ENOTSUP;
	ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	return got < 0 ? -errno : got;
}
