/* See owners.h. Reads /proc; opens no file of a target. */
#include "config.h"

#include "collector/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/merge.h"

#define SCAN_MAX 20000 /* processes looked through for the owners of open file descriptions */

struct search {
	struct gather *g;
	struct kernel_locks *k;
	uint32_t *wanted; /* lines whose owner has to be looked for in every process */
	uint32_t count, found;
	bool has_unreadable; /* a process that was searched hides its descriptors */
	bool is_pathless;    /* and so does a holder, whose file we cannot name */
};

static bool is_same_file(const struct kernel_lock *a, const struct kernel_lock *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static bool is_same_lock(const struct kernel_lock *a, const struct kernel_lock *b)
{
	return a->kind == b->kind && a->mode == b->mode && is_same_file(a, b) &&
	       a->start == b->start && a->end == b->end;
}

/*
 * Calls `use` with every lock held through a descriptor of the process, until it returns true. 0
 * or negative errno (descriptors not readable).
 */
typedef bool use_fn(struct search *s, pid_t pid, int fd, const struct kernel_lock *held, void *data);

static bool use_locks(struct search *s, pid_t pid, int fd, use_fn *use, void *data)
{
	char text[4096];
	struct kernel_lock held;
	bool is_done = false;

	if (proc_read_some(s->g->proc, text, sizeof(text), "%d/fdinfo/%d", pid, fd) <= 0)
		return false;
	/* "lock:\t1: POSIX  ADVISORY  WRITE 123 fe:00:4711 0 EOF" */
	for (char *line = strstr(text, "lock:\t"); line && !is_done; line = strstr(line, "lock:\t")) {
		char *end = line + strcspn(line, "\n"), *colon = strchr(line + 5, ':');

		if (!*end || !colon || colon > end)
			break;
		*end = 0;
		if (kernel_lock_parse(colon + 1, &held))
			is_done = use(s, pid, fd, &held, data);
		line = end + 1;
	}
	return is_done;
}

/*
 * Most programs lock what they opened among the first: three reads by guess are cheaper than a
 * listing, for which the kernel makes an entry of every descriptor.
 */
static bool use_first_descriptors(struct search *s, pid_t pid, use_fn *use, void *data)
{
	for (int fd = 3; fd < 6; fd++)
		if (use_locks(s, pid, fd, use, data))
			return true;
	return false;
}

static int use_descriptors(struct search *s, pid_t pid, use_fn *use, void *data)
{
	int *fds, standard = 0;
	ssize_t count = proc_list(s->g->proc, &fds, "%d/fdinfo", pid);

	if (count < 0)
		return count;
	/* Locked files are seldom 0, 1 or 2: those come last. */
	while (standard < count && fds[standard] < 3)
		standard++;
	for (ssize_t i = 0; i < count; i++)
		if (use_locks(s, pid, fds[(i + standard) % count], use, data))
			break;
	free(fds);
	return 0;
}

static void read_path(struct search *s, uint32_t resource, pid_t pid, int fd)
{
	char path[PATH_MAX];

	if (!s->g->m->resources.items[resource].path[0] &&
	    !proc_readlink(s->g->proc, path, sizeof(path), "%d/fd/%d", pid, fd))
		gather_path(s->g, resource, path);
}

/* --- the path of a file whose holder is known ---------------------------------------------------- */

static bool use_path(struct search *s, pid_t pid, int fd, const struct kernel_lock *held, void *data)
{
	struct kernel_lock *e = data;

	if (!is_same_file(held, e))
		return false;
	e->fd = fd;
	read_path(s, merge_resource(s->g, e), pid, fd);
	return true;
}

/* Whether the descriptor is open on the file of `e`: fdinfo's "ino:" line (Linux 5.14). */
static bool is_fd_on(struct search *s, pid_t pid, int fd, const struct kernel_lock *e)
{
	char text[1024];
	uint64_t ino;

	if (proc_read_some(s->g->proc, text, sizeof(text), "%d/fdinfo/%d", pid, fd) <= 0)
		return false;
	const char *line = strstr(text, "\nino:");

	return line && sscanf(line, "\nino: %" SCNu64, &ino) == 1 && ino == e->ino;
}

static bool has_path(const struct search *s, uint32_t resource)
{
	return resource == MODEL_NONE || s->g->m->resources.items[resource].path[0];
}

/* The lock may be gone already, or be a wait: any descriptor of the file tells its path. */
static void find_open_file(struct search *s, pid_t pid, const struct kernel_lock *e, uint32_t resource)
{
	int *fds;
	ssize_t count = proc_list(s->g->proc, &fds, "%d/fdinfo", pid);

	for (ssize_t i = 0; i < count && !has_path(s, resource); i++)
		if (is_fd_on(s, pid, fds[i], e))
			read_path(s, resource, pid, fds[i]);
	if (count >= 0)
		free(fds);
}

static void find_path(struct search *s, struct kernel_lock *e)
{
	uint32_t resource = merge_resource(s->g, e);
	pid_t pid = s->g->m->processes.items[e->process].pid;

	if (has_path(s, resource))
		return;
	if (use_first_descriptors(s, pid, use_path, e) && has_path(s, resource))
		return;
	int r = use_descriptors(s, pid, use_path, e);

	if (!has_path(s, resource))
		find_open_file(s, pid, e, resource);
	if (r == -EACCES || r == -EPERM)
		s->is_pathless = true;
}

/* --- owners of open file descriptions: in all processes ------------------------------------------ */

static bool use_owner(struct search *s, pid_t pid, int fd, const struct kernel_lock *held, void *data)
{
	(void)data;
	for (uint32_t i = 0; i < s->count; i++) {
		struct kernel_lock *e = &s->k->items[s->wanted[i]];

		if (e->depth || e->process != MODEL_NONE || !is_same_lock(e, held))
			continue;
		e->process = gather_process(s->g, pid);
		if (e->process == MODEL_NONE)
			continue;
		e->is_deduced = true;
		e->fd = fd;
		read_path(s, merge_resource(s->g, e), pid, fd);
		s->found++;
		break;
	}
	return s->found == s->count;
}

static bool is_lock_call(const struct proc_syscall *sc, enum lock_kind kind)
{
	if (sc->is_running)
		return false;
	if (kind == LOCK_FLOCK)
		return sc->number == SYS_flock;
	return sc->number == SYS_fcntl &&
	       (sc->args[1] & 0xffffffff) == (kind == LOCK_OFD ? F_OFD_SETLKW : F_SETLKW);
}

/* OFD waiters have no pid: a thread that sits in the call on that file is one of them. */
static void use_waiting_thread(struct search *s, pid_t pid, pid_t tid)
{
	struct proc_syscall sc;

	if (proc_read_syscall(s->g->proc, pid, tid, &sc) || !is_lock_call(&sc, LOCK_OFD))
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		struct kernel_lock *e = &s->k->items[s->wanted[i]];

		if (!e->depth || e->process != MODEL_NONE || !is_fd_on(s, pid, sc.args[0], e))
			continue;
		e->process = gather_process(s->g, pid);
		e->is_deduced = true;
		e->fd = sc.args[0];
		if (e->process != MODEL_NONE)
			read_path(s, merge_resource(s->g, e), pid, e->fd);
		s->found++;
		return;
	}
}

static void use_threads(struct search *s, pid_t pid)
{
	int *tids;
	ssize_t count = proc_list(s->g->proc, &tids, "%d/task", pid);

	for (ssize_t i = 0; i < count && s->found < s->count; i++)
		use_waiting_thread(s, pid, tids[i]);
	if (count >= 0)
		free(tids);
}

static void scan_processes(struct search *s)
{
	int *pids;
	bool has_waiters = false;
	ssize_t count = proc_list(s->g->proc, &pids, "%s", "");

	for (uint32_t i = 0; i < s->count; i++)
		has_waiters |= s->k->items[s->wanted[i]].depth > 0;
	for (ssize_t i = 0; i < count && i < SCAN_MAX && s->found < s->count; i++) {
		int r = use_descriptors(s, pids[i], use_owner, NULL);

		s->has_unreadable |= r == -EACCES || r == -EPERM;
		if (has_waiters)
			use_threads(s, pids[i]);
	}
	if (count >= 0)
		free(pids);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A line that names a process; false when that one is gone. */
static bool find_named(struct search *s, struct kernel_lock *e)
{
	e->process = gather_process(s->g, e->pid);
	if (e->process == MODEL_NONE)
		return false;
	find_path(s, e);
	return true;
}

static void note_unowned(struct search *s)
{
	uint32_t left = s->count - s->found;

	if (left)
		model_note(s->g->m, "%u locks belong to nobody who could be found", left);
	if (s->is_pathless || (left && s->has_unreadable))
		model_note(s->g->m, "the descriptors of some processes may not be read (run as root)");
}

void owners_find(struct gather *g, struct kernel_locks *k)
{
	struct search s = {.g = g, .k = k, .wanted = calloc(k->count + (size_t)1, sizeof(uint32_t))};

	if (!s.wanted) {
		g->m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < k->count; i++) {
		struct kernel_lock *e = &k->items[i];

		/* Who recorded it may have had no /proc to learn the path from. */
		if (e->lock != MODEL_NONE)
			find_path(&s, e);
		if (e->lock != MODEL_NONE || e->is_outdated || (e->pid > 0 && find_named(&s, e)))
			continue;
		/* POSIX locks go with their process; an open file description may live on. */
		if (e->kind == LOCK_POSIX || e->kind == LOCK_LEASE || (e->kind == LOCK_FLOCK && e->depth))
			e->is_outdated = e->pid > 0;
		else
			s.wanted[s.count++] = i;
	}
	if (s.count)
		scan_processes(&s);
	note_unowned(&s);
	free(s.wanted);
}

void owners_confirm_waits(struct gather *g)
{
	struct model *m = g->m;

	for (uint32_t i = 0; i < m->locks.count; i++) {
		struct model_lock *l = &m->locks.items[i];
		struct proc_syscall sc;

		if (l->evidence != EVIDENCE_RECORDED || l->state != LOCK_WAITING ||
		    l->thread == MODEL_NONE || m->processes.items[l->process].state != PROCESS_LIVE)
			continue;
		pid_t pid = m->processes.items[l->process].pid, tid = m->threads.items[l->thread].tid;

		if (!proc_read_syscall(g->proc, pid, tid, &sc) && is_lock_call(&sc, l->kind) &&
		    (int)sc.args[0] == l->fd)
			l->evidence = EVIDENCE_INFERRED;
	}
}
