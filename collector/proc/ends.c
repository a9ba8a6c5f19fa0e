/* See ends.h. */
#include "config.h"

#include "collector/proc/ends.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "collector/proc/crew.h"

#define KINDS 4
#define DESCRIPTORS_MAX 100000 /* of one process */

/* What one process has; filled by one thread. */
struct process_ends {
	pid_t pid, task, session; /* session: only if it is hidden */
	bool is_hidden;
	struct found {
		enum end_kind kind;
		int fd;
		uint64_t number;
	} * items;
	uint32_t count, room;
};

struct ends {
	const struct proc *proc;
	struct process_ends *processes;
	uint32_t count;
	struct index found; /* key() -> place in `items` */
	struct end *items;
	uint32_t item_count;
	uint32_t hidden;
	bool has_files; /* END_EVENTS and END_FILE are known, too */
	bool wants_files;
};

/* Numbers of different kinds may be equal. */
static uint64_t key(enum end_kind kind, uint64_t number)
{
	return number * KINDS + kind;
}

bool ends_parse_link(const char *link, enum end_kind *kind, uint64_t *number)
{
	bool is_pipe = !strncmp(link, "pipe:[", 6);

	if (!is_pipe && strncmp(link, "socket:[", 8) != 0)
		return false;
	*kind = is_pipe ? END_PIPE : END_SOCKET;
	return sscanf(strchr(link, '[') + 1, "%" SCNu64, number) == 1;
}

int ends_read_info(const struct proc *p, const struct end *at, struct end_info *info)
{
	char text[2048];
	ssize_t got = proc_read_some(p, text, sizeof(text), "%d/fdinfo/%d", at->task, at->fd);
	const char *flags, *mount, *ino, *id;

	if (got <= 0)
		return got < 0 ? (int)got : -ENOENT;
	flags = strstr(text, "flags:");
	mount = strstr(text, "mnt_id:");
	ino = strstr(text, "\nino:");
	id = strstr(text, "\neventfd-id:");
	*info = (struct end_info){
		.flags = flags ? (int)strtol(flags + 6, NULL, 8) : -1,
		.mnt_id = mount ? atoi(mount + 7) : -1,
		.ino = ino ? strtoull(ino + 5, NULL, 10) : 0,
		.events_id = id ? strtoull(id + 12, NULL, 10) : UINT64_MAX,
	};
	return 0;
}

uint64_t ends_device(const struct proc *p, pid_t pid, int mnt_id)
{
	char *text, *line;
	size_t length;
	uint64_t device = 0;
	int id;
	unsigned major_number, minor_number;

	if (mnt_id < 0 || proc_read(p, &text, &length, "%d/mountinfo", pid))
		return 0;
	for (line = text; line && !device; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%d %*d %u:%u", &id, &major_number, &minor_number) == 3 &&
		    id == mnt_id)
			device = makedev(major_number, minor_number);
	}
	free(text);
	return device;
}

/* proc_pid_stat(5): state, ppid, pgrp, session. */
pid_t ends_session(const struct proc *p, pid_t pid)
{
	char text[1024];
	const char *close;
	int session;

	if (proc_read_some(p, text, sizeof(text), "%d/stat", pid) <= 0)
		return 0;
	close = strrchr(text, ')');
	return close && sscanf(close + 1, " %*c %*d %*d %d", &session) == 1 ? session : 0;
}

static bool add(struct process_ends *x, enum end_kind kind, int fd, uint64_t number)
{
	if (x->count == x->room) {
		uint32_t room = x->room ? x->room * 2 : 16;
		struct found *grown = reallocarray(x->items, room, sizeof(*grown));

		if (!grown)
			return false;
		x->items = grown;
		x->room = room;
	}
	x->items[x->count++] = (struct found){kind, fd, number};
	return true;
}

/* What cannot be told by its link alone. */
static void add_file(const struct ends *e, struct process_ends *x, int fd, const char *link)
{
	struct end at = {x->pid, x->task, fd};
	struct end_info info;
	bool is_events = !strcmp(link, "anon_inode:[eventfd]");

	if ((!is_events && link[0] != '/') || ends_read_info(e->proc, &at, &info))
		return;
	if (is_events && info.events_id != UINT64_MAX)
		add(x, END_EVENTS, fd, info.events_id);
	else if (!is_events && info.ino)
		add(x, END_FILE, fd, info.ino);
}

static void add_descriptor(const struct ends *e, struct process_ends *x, int fd)
{
	char link[PATH_MAX];
	enum end_kind kind;
	uint64_t number;

	if (proc_readlink(e->proc, link, sizeof(link), "%d/fd/%d", x->task, fd))
		return;
	if (e->wants_files)
		add_file(e, x, fd, link);
	else if (ends_parse_link(link, &kind, &number))
		add(x, kind, fd, number);
}

/* A process that is gone, or a kernel thread, hides nothing. */
static bool hides_anything(const struct proc *p, pid_t pid)
{
	struct proc_stat st;
	char text[4096];

	return !proc_read_stat(p, pid, &st) && st.state != 'Z' && st.state != 'X' &&
	       proc_read_some(p, text, sizeof(text), "%d/status", pid) > 0 &&
	       strstr(text, "\nVmSize:");
}

/* The descriptors of a process; of one whose main thread has ended, those of another thread. */
static ssize_t list_descriptors(const struct proc *p, struct process_ends *x, int **fds)
{
	ssize_t count = proc_list(p, fds, "%d/fd", x->pid);
	pid_t task = count > 0 ? x->pid : proc_live_task(p, x->pid);

	x->task = x->pid;
	if (!task || task == x->pid)
		return count;
	if (count == 0)
		free(*fds);
	x->task = task;
	return proc_list(p, fds, "%d/fd", task);
}

static void read_process(void *data, uint32_t item)
{
	struct ends *e = data;
	struct process_ends *x = &e->processes[item];
	int *fds;
	ssize_t count = list_descriptors(e->proc, x, &fds);

	if (count < 0) {
		x->is_hidden = hides_anything(e->proc, x->pid);
		x->session = x->is_hidden ? ends_session(e->proc, x->pid) : 0;
		return;
	}
	for (ssize_t i = 0; i < count && i < DESCRIPTORS_MAX; i++)
		add_descriptor(e, x, fds[i]);
	free(fds);
}

/* Appends what was found to the list; 0 or -ENOMEM. */
static int collect(struct ends *e)
{
	uint64_t total = e->item_count;

	for (uint32_t i = 0; i < e->count; i++)
		total += e->processes[i].count;
	struct end *items = reallocarray(e->items, total + 1, sizeof(*items));

	if (!items || total > UINT32_MAX / 2)
		return -ENOMEM;
	e->items = items;
	for (uint32_t i = 0; i < e->count; i++) {
		struct process_ends *x = &e->processes[i];

		for (uint32_t n = 0; n < x->count; n++) {
			items[e->item_count] = (struct end){x->pid, x->task, x->items[n].fd};
			if (!index_add(&e->found, key(x->items[n].kind, x->items[n].number),
				       e->item_count++))
				return -ENOMEM;
		}
		free(x->items);
		x->items = NULL;
		x->count = x->room = 0;
	}
	return 0;
}

struct ends *ends_new(const struct proc *p)
{
	struct ends *e = calloc(1, sizeof(*e));
	int *pids = NULL;
	ssize_t count = proc_list(p, &pids, "%s", "");

	if (e && count > 0)
		e->processes = calloc((size_t)count, sizeof(*e->processes));
	if (!e || (count > 0 && !e->processes)) {
		free(pids);
		free(e);
		return NULL;
	}
	e->proc = p;
	e->count = count > 0 ? (uint32_t)count : 0;
	for (uint32_t i = 0; i < e->count; i++)
		e->processes[i].pid = pids[i];
	if (count >= 0)
		free(pids);
	crew_run(read_process, e, e->count);
	for (uint32_t i = 0; i < e->count; i++)
		e->hidden += e->processes[i].is_hidden;
	if (!collect(e))
		return e;
	ends_free(e);
	return NULL;
}

void ends_free(struct ends *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->count; i++)
		free(e->processes[i].items);
	free(e->processes);
	free(e->items);
	index_done(&e->found);
	free(e);
}

static int need_files(struct ends *e, enum end_kind kind)
{
	if (e->has_files || kind == END_PIPE || kind == END_SOCKET)
		return 0;
	e->wants_files = e->has_files = true;
	crew_run(read_process, e, e->count);
	return collect(e);
}

int ends_find(struct ends *e, enum end_kind kind, uint64_t number, struct end **result,
	      uint32_t *count)
{
	uint64_t wanted = key(kind, number);
	uint32_t found = 0;
	int error = need_files(e, kind);

	for (uint32_t i = index_first(&e->found, wanted); i != UINT32_MAX;
	     i = index_next(&e->found, i))
		found++;
	struct end *ends = error ? NULL : calloc(found + (size_t)1, sizeof(*ends));

	if (!ends)
		return -ENOMEM;
	*count = 0;
	for (uint32_t i = index_first(&e->found, wanted); i != UINT32_MAX;
	     i = index_next(&e->found, i))
		ends[(*count)++] = e->items[e->found.entries[i].value];
	*result = ends;
	return 0;
}

uint32_t ends_hidden(const struct ends *e)
{
	return e->hidden;
}

bool ends_is_hidden_in(const struct ends *e, pid_t session)
{
	for (uint32_t i = 0; e->hidden && i < e->count; i++)
		if (e->processes[i].is_hidden && e->processes[i].session == session)
			return true;
	return false;
}
