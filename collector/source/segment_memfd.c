/*
 * Records in memory: a process that can reach no session directory (chrooted before it was
 * forked) keeps its segment in a memfd, which others reach through /proc/PID/map_files while it
 * lives.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include "collector/source/source.h"

/* Copies the mapping's range, "START-END", as map_files names it. */
static bool find_mapping(const char *maps, char *range, size_t size)
{
	const char *name = strstr(maps, "/memfd:" SEG_MEMFD_NAME);

	if (!name)
		return false;
	const char *line = memrchr(maps, '\n', name - maps);

	line = line ? line + 1 : maps;
	size_t length = strcspn(line, " ");

	if (length >= size)
		return false;
	memcpy(range, line, length);
	range[length] = 0;
	return true;
}

void segment_memfd_add(struct gather *g, pid_t pid)
{
	char *maps, range[64], path[128], cause[256] = "";
	size_t length;
	struct segment *s;

	if (proc_read(g->proc, &maps, &length, "%d/maps", pid))
		return;
	bool has = find_mapping(maps, range, sizeof(range));

	free(maps);
	if (!has)
		return;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%s", pid, range);
	int fd = proc_open_file(g->proc, "%d/map_files/%s", pid, range);
	int r = fd < 0 ? fd : segment_probe_fd(fd, &s, cause, sizeof(cause));

	if (r == -EPERM || r == -EACCES)
		model_note(g->m, "process %d keeps its record in memory: only root can read it",
			   pid);
	else if (r)
		model_note(g->m, "%s: %s; it was not read", path, cause[0] ? cause : strerror(-r));
	else if (segment_header(s)->pid == pid)
		segment_source_add(g, s, path);
	else
		segment_close(s); /* a parent's, that was not replaced yet */
}
