/* See held.h. */
#include "config.h"

#include "collector/proc/held.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands before the locks: "flags:\t02100002\nmnt_id:\t29\nino:\t4711\n". */
static void read_head(const char *text, struct held_at *at)
{
	const char *flags = strstr(text, "flags:"), *mount = strstr(text, "mnt_id:");

	at->flags = flags ? (int)strtol(flags + 6, NULL, 8) : 0;
	at->mnt_id = mount ? atoi(mount + 7) : -1;
}

/* "lock:\t1: POSIX  ADVISORY  WRITE 123 fe:00:4711 0 EOF" */
static bool use_lines(char *text, struct held_at *at, held_fn *use, void *data)
{
	struct kernel_lock held;
	char *line = strstr(text, "lock:\t");
	bool is_done = false;

	if (line)
		read_head(text, at);
	for (; line && !is_done; line = strstr(line, "lock:\t")) {
		char *end = line + strcspn(line, "\n"), *colon = strchr(line + 5, ':');

		if (!*end || !colon || colon > end)
			break;
		*end = 0;
		if (kernel_lock_parse(colon + 1, &held))
			is_done = use(at, &held, data);
		line = end + 1;
	}
	return is_done;
}

static bool use_descriptor(const struct proc *proc, struct held_at *at, held_fn *use, void *data)
{
	char some[4096], *all;
	ssize_t got = proc_read_some(proc, some, sizeof(some), "%d/fdinfo/%d", at->task, at->fd);
	size_t length;

	if (got <= 0)
		return false;
	/* A read gives at most a page. That is all but for those who hold dozens of ranges. */
	if (got < (ssize_t)sizeof(some) / 2)
		return use_lines(some, at, use, data);
	if (proc_read(proc, &all, &length, "%d/fdinfo/%d", at->task, at->fd))
		return false;
	bool is_done = use_lines(all, at, use, data);

	free(all);
	return is_done;
}

bool held_by_fd(const struct proc *proc, pid_t pid, int fd, held_fn *use, void *data)
{
	struct held_at at = {.pid = pid, .task = pid, .fd = fd, .mnt_id = -1};

	return use_descriptor(proc, &at, use, data);
}

bool held_by_first(const struct proc *proc, pid_t pid, _Atomic int *hint, held_fn *use, void *data)
{
	struct held_at at = {.pid = pid, .task = pid, .mnt_id = -1};
	char link[PATH_MAX];
	int last = atomic_load_explicit(hint, memory_order_relaxed);

	at.fd = last;
	if (last > 0 && use_descriptor(proc, &at, use, data))
		return true;
	at.link = link;
	/*
	 * A few guesses are cheaper than a listing, for which the kernel makes an entry of every
	 * descriptor; and a link that shows a pipe or a socket is cheaper than a file of fdinfo.
	 */
	for (at.fd = 3; at.fd < 8; at.fd++) {
		if (at.fd == last ||
		    proc_readlink(proc, link, sizeof(link), "%d/fd/%d", pid, at.fd) ||
		    link[0] != '/' || !use_descriptor(proc, &at, use, data))
			continue;
		atomic_store_explicit(hint, at.fd, memory_order_relaxed);
		return true;
	}
	return false;
}

/* "socket:[4711]", "pipe:[4712]" name their inode; all other links may be any file. */
static bool may_be_of(const char *link, const struct index *inos)
{
	const char *number = strstr(link, ":[");

	if (link[0] == '/' || !number)
		return strncmp(link, "anon_inode:", 11) != 0;
	return index_first(inos, strtoull(number + 2, NULL, 10)) != UINT32_MAX;
}

/* The descriptors of a process; of one whose main thread has ended, those of another thread. */
static ssize_t list_descriptors(const struct proc *proc, struct held_at *at, int **fds)
{
	ssize_t count = proc_list(proc, fds, "%d/fdinfo", at->task);

	if (count > 0)
		return count;
	pid_t task = proc_live_task(proc, at->pid);

	if (!task || task == at->pid)
		return count;
	if (count == 0)
		free(*fds);
	at->task = task;
	return proc_list(proc, fds, "%d/fdinfo", task);
}

int held_by_process(const struct proc *proc, pid_t pid, const struct index *inos, held_fn *use,
		    void *data)
{
	struct held_at at = {.pid = pid, .task = pid, .mnt_id = -1};
	int *fds, standard = 0;
	char link[PATH_MAX];
	ssize_t count = list_descriptors(proc, &at, &fds);

	if (count < 0)
		return count;
	/* Locked files are seldom 0, 1 or 2: those come last. */
	while (standard < count && fds[standard] < 3)
		standard++;
	for (ssize_t i = 0; i < count; i++) {
		at.fd = fds[(i + standard) % count];
		at.link = NULL;
		if (inos && !proc_readlink(proc, link, sizeof(link), "%d/fd/%d", at.task, at.fd)) {
			if (!may_be_of(link, inos))
				continue;
			at.link = link;
		}
		if (use_descriptor(proc, &at, use, data))
			break;
	}
	free(fds);
	return 0;
}

bool held_is_open_on(const struct proc *proc, pid_t task, int fd, uint64_t ino, int *mnt_id)
{
	char text[1024];
	uint64_t number;

	if (proc_read_some(proc, text, sizeof(text), "%d/fdinfo/%d", task, fd) <= 0)
		return false;
	const char *line = strstr(text, "\nino:"), *mount = strstr(text, "\nmnt_id:");

	if (mnt_id)
		*mnt_id = mount ? atoi(mount + 8) : -1;
	return line && sscanf(line, "\nino: %" SCNu64, &number) == 1 && number == ino;
}

int held_path(const struct proc *proc, const struct held_at *at, char *path, size_t size)
{
	if (at->link)
		return snprintf(path, size, "%s", at->link) < (int)size ? 0 : -ENAMETOOLONG;
	return proc_readlink(proc, path, size, "%d/fd/%d", at->task, at->fd);
}
