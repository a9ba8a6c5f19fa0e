/* See held.h. */
#include "config.h"

#include "collector/proc/held.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "lock:\t1: POSIX  ADVISORY  WRITE 123 fe:00:4711 0 EOF" */
static bool use_lines(char *text, pid_t pid, int fd, held_fn *use, void *data)
{
	struct kernel_lock held;
	bool is_done = false;

	for (char *line = strstr(text, "lock:\t"); line && !is_done;
	     line = strstr(line, "lock:\t")) {
		char *end = line + strcspn(line, "\n"), *colon = strchr(line + 5, ':');

		if (!*end || !colon || colon > end)
			break;
		*end = 0;
		if (kernel_lock_parse(colon + 1, &held))
			is_done = use(pid, fd, &held, data);
		line = end + 1;
	}
	return is_done;
}

bool held_by_fd(const struct proc *proc, pid_t pid, int fd, held_fn *use, void *data)
{
	char some[4096], *all;
	ssize_t got = proc_read_some(proc, some, sizeof(some), "%d/fdinfo/%d", pid, fd);
	size_t length;

	if (got <= 0)
		return false;
	/* A read gives at most a page. That is all but for those who hold dozens of ranges. */
	if (got < (ssize_t)sizeof(some) / 2)
		return use_lines(some, pid, fd, use, data);
	if (proc_read(proc, &all, &length, "%d/fdinfo/%d", pid, fd))
		return false;
	bool is_done = use_lines(all, pid, fd, use, data);

	free(all);
	return is_done;
}

bool held_by_first(const struct proc *proc, pid_t pid, held_fn *use, void *data)
{
	char link[PATH_MAX];

	/*
	 * A few guesses are cheaper than a listing, for which the kernel makes an entry of every
	 * descriptor; and a link that shows a pipe or a socket is cheaper than a file of fdinfo.
	 */
	for (int fd = 3; fd < 8; fd++)
		if (!proc_readlink(proc, link, sizeof(link), "%d/fd/%d", pid, fd) &&
		    link[0] == '/' && held_by_fd(proc, pid, fd, use, data))
			return true;
	return false;
}

int held_by_process(const struct proc *proc, pid_t pid, held_fn *use, void *data)
{
	int *fds, standard = 0;
	ssize_t count = proc_list(proc, &fds, "%d/fdinfo", pid);

	if (count < 0)
		return count;
	/* Locked files are seldom 0, 1 or 2: those come last. */
	while (standard < count && fds[standard] < 3)
		standard++;
	for (ssize_t i = 0; i < count; i++)
		if (held_by_fd(proc, pid, fds[(i + standard) % count], use, data))
			break;
	free(fds);
	return 0;
}

bool held_is_open_on(const struct proc *proc, pid_t pid, int fd, uint64_t ino)
{
	char text[1024];
	uint64_t number;

	if (proc_read_some(proc, text, sizeof(text), "%d/fdinfo/%d", pid, fd) <= 0)
		return false;
	const char *line = strstr(text, "\nino:");

	return line && sscanf(line, "\nino: %" SCNu64, &number) == 1 && number == ino;
}
