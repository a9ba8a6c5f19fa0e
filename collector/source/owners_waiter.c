/*
 * Threads that sit in a request for a lock: whose are the lines without a pid, which thread of a
 * process waits, and who waits without a line. See owners_private.h.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/proc/crew.h"
#include "collector/proc/lock_call.h"
#include "collector/source/merge.h"
#include "collector/source/owners_private.h"

struct waiting {
	pid_t pid, tid;
	struct lock_call call;
	struct proc_syscall sc;
	uint64_t dev, ino; /* dev as the kernel has it; 0 unknown */
	struct held_at at;
};

struct look {
	struct waiting *items;
	uint32_t count, room;
};

struct watch {
	struct search *s;
	const int *pids;
	struct look *looks; /* of pids */
};

/* The device of a mount that only the thread's own namespace has; 0 unknown. */
static uint64_t read_mount(const struct proc *proc, const struct waiting *w)
{
	struct index mounts = {0};
	uint64_t dev = 0;

	owners_index_mounts(proc, w->tid, &mounts);
	uint32_t n = index_first(&mounts, w->at.mnt_id);

	if (n != UINT32_MAX)
		dev = owners_mount_device(mounts.entries[n].value);
	index_done(&mounts);
	return dev;
}

/* The file of a waiting thread: its inode and its mount's device, as the kernel prints both. */
static bool read_file(const struct search *s, struct waiting *w)
{
	char text[1024];

	w->at = (struct held_at){.pid = w->pid, .task = w->tid, .fd = w->call.fd, .mnt_id = -1};
	if (proc_read_some(s->proc, text, sizeof(text), "%d/fdinfo/%d", w->tid, w->call.fd) <= 0)
		return false;
	const char *ino = strstr(text, "\nino:"), *mount = strstr(text, "\nmnt_id:");

	w->ino = ino ? strtoull(ino + 5, NULL, 10) : 0;
	w->at.mnt_id = mount ? atoi(mount + 8) : -1;
	uint32_t n = index_first(&s->mounts, w->at.mnt_id);

	w->dev = n == UINT32_MAX ? read_mount(s->proc, w)
				 : owners_mount_device(s->mounts.entries[n].value);
	return w->ino;
}

static void look_at_thread(const struct watch *h, struct look *look, pid_t pid, pid_t tid)
{
	struct waiting w = {.pid = pid, .tid = tid};

	if (proc_read_syscall(h->s->proc, pid, tid, &w.sc) || !lock_call_decode(&w.sc, &w.call) ||
	    !read_file(h->s, &w))
		return;
	lock_call_read_range(h->s->proc, tid, &w.call);
	if (look->count == look->room) {
		uint32_t room = look->room ? look->room * 2 : 4;
		void *grown = reallocarray(look->items, room, sizeof(*look->items));

		if (!grown)
			return;
		look->items = grown;
		look->room = room;
	}
	look->items[look->count++] = w;
}

static void look_at_process(void *data, uint32_t item)
{
	const struct watch *h = data;
	int *tids;
	ssize_t count = proc_list_tasks(h->s->proc, &tids, h->pids[item]);

	for (ssize_t i = 0; i < count; i++)
		look_at_thread(h, &h->looks[item], h->pids[item], tids[i]);
	if (count >= 0)
		free(tids);
}

static bool is_line_of(const struct search *s, const struct kernel_lock *e, const struct waiting *w,
		       bool is_exact)
{
	const struct lock_call *c = &w->call;

	if (!e->depth || e->is_outdated || e->tid || e->kind != c->kind || e->ino != w->ino ||
	    (w->dev && e->dev != w->dev))
		return false;
	if (e->pid > 0 && e->pid != w->pid)
		return false;
	/* Recorded ones are known already. */
	if (e->process != MODEL_NONE && s->g->m->processes.items[e->process].pid != w->pid)
		return false;
	return c->has_range ? e->mode == c->mode && e->start == c->start && e->end == c->end
			    : !is_exact;
}

static struct kernel_lock *find_line(struct search *s, const struct waiting *w,
				     const struct index *by_ino, bool is_exact)
{
	for (uint32_t n = index_first(by_ino, w->ino); n != UINT32_MAX; n = index_next(by_ino, n)) {
		struct kernel_lock *e = &s->k->items[by_ino->entries[n].value];

		if (is_line_of(s, e, w, is_exact))
			return e;
	}
	return NULL;
}

static void give(struct search *s, struct kernel_lock *e, const struct waiting *w)
{
	e->tid = w->tid;
	if (e->process != MODEL_NONE)
		return;
	e->process = gather_process(s->g, w->pid);
	if (e->process == MODEL_NONE)
		return;
	e->is_deduced = true;
	e->fd = w->call.fd;
	owners_use_path(s, merge_resource(s->g, e), &w->at);
}

/* A wait that has no line may just have ended: it is one if it stands while another reading of
 * /proc/locks does not show it either. */
static bool is_still_unlisted(const struct search *s, const struct kernel_locks *again,
			      const struct waiting *w)
{
	struct proc_syscall sc;

	for (uint32_t i = 0; i < again->count; i++) {
		const struct kernel_lock *e = &again->items[i];

		if (e->depth && e->kind == w->call.kind && e->ino == w->ino &&
		    (e->pid == w->pid || e->pid <= 0))
			return false;
	}
	return !proc_read_syscall(s->proc, w->pid, w->tid, &sc) && !sc.is_running &&
	       sc.number == w->sc.number && sc.sp == w->sc.sp && sc.pc == w->sc.pc &&
	       !memcmp(sc.args, w->sc.args, sizeof(sc.args));
}

static void add_line(struct search *s, const struct waiting *w)
{
	struct kernel_locks *k = s->k;
	uint32_t process = gather_process(s->g, w->pid);
	struct kernel_lock *grown =
		process == MODEL_NONE || s->g->m->processes.items[process].has_segment
			? NULL
			: reallocarray(k->items, k->count + (size_t)1, sizeof(*k->items));

	if (!grown)
		return;
	k->items = grown;
	k->items[k->count++] =
		(struct kernel_lock){.kind = w->call.kind,
				     .mode = w->call.mode,
				     .pid = w->pid,
				     .dev = w->dev,
				     .ino = w->ino,
				     .start = w->call.start,
				     .end = w->call.has_range ? w->call.end : MODEL_TO_EOF,
				     .depth = 1,
				     .blocker = MODEL_NONE,
				     .is_deduced = true,
				     .lock = MODEL_NONE,
				     .process = process,
				     .fd = w->call.fd,
				     .tid = w->tid,
				     .copy_of = MODEL_NONE};
	owners_use_path(s, merge_resource(s->g, &k->items[k->count - 1]), &w->at);
}

static void add_unlisted(struct search *s, struct waiting *unlisted, uint32_t count)
{
	struct kernel_locks again = {0};

	if (!count || kernel_locks_read(s->proc, &again))
		return;
	for (uint32_t i = 0; i < count; i++)
		if (is_still_unlisted(s, &again, &unlisted[i]))
			add_line(s, &unlisted[i]);
	kernel_locks_done(&again);
}

/* Threads whose range is known choose first. Those without a line are moved to the front; how
 * many they are. */
static uint32_t match(struct search *s, struct waiting *all, uint32_t count,
		      const struct index *by_ino)
{
	for (int pass = 0; pass < 2; pass++) {
		uint32_t left = 0;

		for (uint32_t i = 0; i < count; i++) {
			struct kernel_lock *e = find_line(s, &all[i], by_ino, !pass);

			if (e)
				give(s, e, &all[i]);
			else
				all[left++] = all[i];
		}
		count = left;
	}
	return count;
}

static bool index_waiters(const struct kernel_locks *k, struct index *by_ino)
{
	for (uint32_t i = 0; i < k->count; i++)
		if (k->items[i].depth && !index_add(by_ino, k->items[i].ino, i))
			return false;
	return true;
}

static struct waiting *collect(const struct watch *h, uint32_t count, uint32_t *total)
{
	*total = 0;
	for (uint32_t i = 0; i < count; i++)
		*total += h->looks[i].count;
	struct waiting *all = calloc(*total + (size_t)1, sizeof(*all)), *next = all;

	for (uint32_t i = 0; all && i < count; i++)
		for (uint32_t n = 0; n < h->looks[i].count; n++)
			*next++ = h->looks[i].items[n];
	return all;
}

void owners_find_waiters(struct search *s, const int *pids, uint32_t count, bool want_unlisted)
{
	struct watch h = {
		.s = s, .pids = pids, .looks = calloc(count + (size_t)1, sizeof(*h.looks))};
	struct waiting *all = NULL;
	struct index by_ino = {0};
	uint32_t total;

	if (h.looks) {
		crew_run(look_at_process, &h, count);
		all = collect(&h, count, &total);
	}
	if (all && index_waiters(s->k, &by_ino)) {
		uint32_t left = match(s, all, total, &by_ino);

		if (want_unlisted)
			add_unlisted(s, all, left);
	}
	for (uint32_t i = 0; h.looks && i < count; i++)
		free(h.looks[i].items);
	free(h.looks);
	free(all);
	index_done(&by_ino);
}
