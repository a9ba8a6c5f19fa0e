/* See owners.h. Reads /proc; opens no file of a target. */
#include "config.h"

#include "collector/source/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/proc/crew.h"
#include "collector/proc/held.h"
#include "collector/source/merge.h"

#define SCAN_MAX 20000 /* processes looked through for the owners of open file descriptions */

struct search {
	struct gather *g;
	const struct proc *proc;
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

static void read_path(struct search *s, uint32_t resource, pid_t pid, int fd)
{
	char path[PATH_MAX];

	if (!s->g->m->resources.items[resource].path[0] &&
	    !proc_readlink(s->proc, path, sizeof(path), "%d/fd/%d", pid, fd))
		gather_path(s->g, resource, path);
}

/* --- the path of a file whose holder is known ------------------------------------------------- */

struct path_use {
	struct search *s;
	struct kernel_lock *e;
};

static bool use_path(pid_t pid, int fd, const struct kernel_lock *held, void *data)
{
	const struct path_use *use = data;

	if (!is_same_file(held, use->e))
		return false;
	use->e->fd = fd;
	read_path(use->s, merge_resource(use->s->g, use->e), pid, fd);
	return true;
}

static bool has_path(const struct search *s, uint32_t resource)
{
	return resource == MODEL_NONE || s->g->m->resources.items[resource].path[0];
}

/* The lock may be gone already, or be a wait: any descriptor of the file tells its path. */
static void find_open_file(struct search *s, pid_t pid, const struct kernel_lock *e,
			   uint32_t resource)
{
	int *fds;
	ssize_t count = proc_list(s->proc, &fds, "%d/fdinfo", pid);

	for (ssize_t i = 0; i < count && !has_path(s, resource); i++)
		if (held_is_open_on(s->proc, pid, fds[i], e->ino))
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
	struct path_use use = {.s = s, .e = e};

	if (held_by_first(s->proc, pid, use_path, &use) && has_path(s, resource))
		return;
	int r = held_by_process(s->proc, pid, use_path, &use);

	if (!has_path(s, resource))
		find_open_file(s, pid, e, resource);
	if (r == -EACCES || r == -EPERM)
		s->is_pathless = true;
}

/* --- owners of open file descriptions: in all processes --------------------------------------- */

static bool use_owner(pid_t pid, int fd, const struct kernel_lock *held, void *data)
{
	struct search *s = data;

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

bool owners_is_lock_call(const struct proc_syscall *sc, enum lock_kind kind)
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

	if (proc_read_syscall(s->proc, pid, tid, &sc) || !owners_is_lock_call(&sc, LOCK_OFD))
		return;
	for (uint32_t i = 0; i < s->count; i++) {
		struct kernel_lock *e = &s->k->items[s->wanted[i]];

		if (!e->depth || e->process != MODEL_NONE ||
		    !held_is_open_on(s->proc, pid, sc.args[0], e->ino))
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
	ssize_t count = proc_list(s->proc, &tids, "%d/task", pid);

	for (ssize_t i = 0; i < count && s->found < s->count; i++)
		use_waiting_thread(s, pid, tids[i]);
	if (count >= 0)
		free(tids);
}

static void scan_processes(struct search *s)
{
	int *pids;
	bool has_waiters = false;
	ssize_t count = proc_list(s->proc, &pids, "%s", "");

	for (uint32_t i = 0; i < s->count; i++)
		has_waiters |= s->k->items[s->wanted[i]].depth > 0;
	for (ssize_t i = 0; i < count && i < SCAN_MAX && s->found < s->count; i++) {
		int r = held_by_process(s->proc, pids[i], use_owner, s);

		s->has_unreadable |= r == -EACCES || r == -EPERM;
		if (has_waiters)
			use_threads(s, pids[i]);
	}
	if (count >= 0)
		free(pids);
}

/* --- names and paths of many, read ahead by several threads ----------------------------------- */

struct lookup {
	struct kernel_lock *e;
	bool wants_name, wants_path;
	struct process_name name;
	char *path; /* malloc'ed, NULL: not found at the first guess */
};

struct lookups {
	const struct proc *proc;
	struct lookup *items;
	uint32_t count;
};

struct path_guess {
	const struct proc *proc;
	const struct kernel_lock *e;
	char path[PATH_MAX];
	bool is_found;
};

static bool guess_path(pid_t pid, int fd, const struct kernel_lock *held, void *data)
{
	struct path_guess *guess = data;

	if (!is_same_file(held, guess->e))
		return false;
	guess->is_found =
		!proc_readlink(guess->proc, guess->path, sizeof(guess->path), "%d/fd/%d", pid, fd);
	return true;
}

static void look_up(void *data, uint32_t item)
{
	const struct lookups *all = data;
	struct lookup *l = &all->items[item];
	struct path_guess guess = {.proc = all->proc, .e = l->e};

	if (l->wants_name)
		process_name_read(all->proc, l->e->pid, &l->name);
	if (!l->wants_path || l->name.is_gone)
		return;
	held_by_first(all->proc, l->e->pid, guess_path, &guess);
	if (guess.is_found)
		l->path = strdup(guess.path);
}

/* What is known already, or comes with another line, is not asked for again. */
static void want(struct gather *g, struct lookups *all, struct kernel_lock *e, struct index *pids,
		 struct index *files)
{
	uint32_t resource = merge_resource(g, e);
	struct lookup l = {.e = e};

	if (gather_live_process(g, e->pid) == MODEL_NONE && index_first(pids, e->pid) == UINT32_MAX)
		l.wants_name = index_add(pids, e->pid, 0);
	if (!e->depth && resource != MODEL_NONE && !g->m->resources.items[resource].path[0] &&
	    index_first(files, resource) == UINT32_MAX)
		l.wants_path = index_add(files, resource, 0);
	if (l.wants_name || l.wants_path)
		all->items[all->count++] = l;
}

static void take_lookup(struct gather *g, struct lookup *l)
{
	if (l->wants_name)
		gather_named_process(g, l->e->pid, &l->name);
	if (l->path)
		gather_path(g, merge_resource(g, l->e), l->path);
	free(l->path);
}

/* Only saves time: who is not found here is looked for one by one. */
static void read_ahead(struct gather *g, struct kernel_locks *k)
{
	struct lookups all = {.proc = g->proc,
			      .items = calloc(k->count + (size_t)1, sizeof(*all.items))};
	struct index pids = {0}, files = {0};

	for (uint32_t i = 0; all.items && i < k->count; i++)
		if (k->items[i].lock == MODEL_NONE && !k->items[i].is_outdated &&
		    k->items[i].pid > 0)
			want(g, &all, &k->items[i], &pids, &files);
	crew_run(look_up, &all, all.count);
	for (uint32_t i = 0; i < all.count; i++)
		take_lookup(g, &all.items[i]);
	free(all.items);
	index_done(&pids);
	index_done(&files);
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
		model_note(s->g->m,
			   "the descriptors of some processes may not be read (run as root)");
}

/* An open file description that is not known to belong to a running process. */
static bool is_adrift(const struct gather *g, const struct kernel_lock *e)
{
	struct proc_stat st;

	if (e->lock != MODEL_NONE || e->is_outdated || e->depth ||
	    (e->kind != LOCK_OFD && e->kind != LOCK_FLOCK))
		return false;
	return e->pid <= 0 || proc_read_stat(g->proc, e->pid, &st) || st.state == 'Z';
}

void owners_find_among_recorded(struct gather *g, struct kernel_locks *k)
{
	struct search s = {.g = g,
			   .proc = g->proc,
			   .k = k,
			   .wanted = calloc(k->count + (size_t)1, sizeof(uint32_t))};

	if (!s.wanted) {
		g->m->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < k->count; i++)
		if (is_adrift(g, &k->items[i]))
			s.wanted[s.count++] = i;
	for (uint32_t i = 0; i < g->m->processes.count && s.found < s.count; i++)
		if (g->m->processes.items[i].state == PROCESS_LIVE)
			held_by_process(s.proc, g->m->processes.items[i].pid, use_owner, &s);
	free(s.wanted);
}

void owners_find(struct gather *g, struct kernel_locks *k)
{
	struct search s = {.g = g,
			   .proc = g->proc,
			   .k = k,
			   .wanted = calloc(k->count + (size_t)1, sizeof(uint32_t))};

	if (!s.wanted) {
		g->m->out_of_memory = true;
		return;
	}
	read_ahead(g, k);
	for (uint32_t i = 0; i < k->count; i++) {
		struct kernel_lock *e = &k->items[i];

		/* Who recorded it may have had no /proc to learn the path from. */
		if (e->lock != MODEL_NONE)
			find_path(&s, e);
		if (e->lock != MODEL_NONE || e->is_outdated || e->is_deduced ||
		    (e->pid > 0 && find_named(&s, e)))
			continue;
		/* POSIX locks go with their process; an open file description may live on. */
		if (e->kind == LOCK_POSIX || (e->kind != LOCK_OFD && e->depth))
			e->is_outdated = e->pid > 0;
		else
			s.wanted[s.count++] = i;
	}
	if (s.count)
		scan_processes(&s);
	note_unowned(&s);
	free(s.wanted);
}
