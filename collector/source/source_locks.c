/* Source: /proc/locks, the truth about now, merged with what the segments recorded. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "collector/proc/kernel_locks.h"
#include "collector/source/merge.h"
#include "collector/source/owners.h"
#include "collector/source/source.h"

/* Reading the maps of one process costs some 50 us; records in memory are rare. */
#define MEMFD_PROCESSES_MAX 64

static bool has_live_process(const struct gather *g, pid_t pid)
{
	return gather_live_process(g, pid) != MODEL_NONE;
}

/* A flock stays charged to its taker: of the session, but gone. Its heir may not
 * be recorded yet. */
static bool is_left_by_ours(const struct gather *g, const struct kernel_lock *e)
{
	return e->kind == LOCK_FLOCK && e->pid > 0 &&
	       index_first(&g->processes, e->pid) != UINT32_MAX && !proc_has(g->proc, "%d", e->pid);
}

/* Of a saved session only holds and queues in which one of its processes stands are of interest. */
static void drop_foreign(const struct gather *g, struct kernel_locks *k)
{
	for (uint32_t first = 0, last; first < k->count; first = last) {
		bool is_ours = false;

		for (last = first; last == first || (last < k->count && k->items[last].depth);
		     last++)
			is_ours |=
				k->items[last].lock != MODEL_NONE ||
				k->items[last].process != MODEL_NONE ||
				is_left_by_ours(g, &k->items[last]) ||
				(k->items[last].pid > 0 && has_live_process(g, k->items[last].pid));
		for (uint32_t i = first; !is_ours && i < last; i++)
			k->items[i].is_outdated = true;
	}
}

static bool has_live(const struct model *m)
{
	for (uint32_t i = 0; i < m->processes.count; i++)
		if (m->processes.items[i].state == PROCESS_LIVE)
			return true;
	return false;
}

/* Processes that matter and have no record in any directory: they may keep one in memory. */
static void find_memfds(struct gather *g, const struct kernel_locks *k)
{
	pid_t last = 0;
	int looked_at = 0;

	for (uint32_t i = 0; i < g->options->target_count; i++)
		if (g->options->targets[i].pid > 0 &&
		    !has_live_process(g, g->options->targets[i].pid))
			segment_memfd_add(g, g->options->targets[i].pid);
	for (uint32_t i = 0; i < k->count && looked_at < MEMFD_PROCESSES_MAX; i++) {
		pid_t pid = k->items[i].pid;

		if (pid <= 0 || pid == last || has_live_process(g, pid))
			continue;
		last = pid;
		looked_at++;
		segment_memfd_add(g, pid);
	}
}

static int merge(struct gather *g, struct kernel_locks *k)
{
	/* Also where there is no session: who had none within reach keeps its record in memory. */
	if (!g->options->dir)
		find_memfds(g, k);
	int r = merge_match(g, k);

	if (r)
		return r;
	if (g->options->dir) {
		owners_find_among_recorded(g, k);
		drop_foreign(g, k);
	}
	owners_find(g, k);
	r = merge_judge(g, k);
	if (r)
		return r;
	owners_confirm(g);
	return merge_link(g, k);
}

static int merge_recorded(struct gather *g)
{
	int r = merge_judge(g, NULL);

	return r ? r : merge_link(g, NULL);
}

static int collect(struct gather *g, struct collect_error *error)
{
	struct kernel_locks k = {0};
	bool is_saved = gather_is_saved(g);
	int r = -ENOENT;

	merge_images(g);
	if (!is_saved || has_live(g->m)) {
		r = kernel_locks_read(g->proc, &k);
		if (r)
			model_note(g->m, "/proc/locks: %s; locks are shown as they were recorded",
				   strerror(-r));
	}
	if (k.bad_lines)
		model_note(g->m, "%u lines of /proc/locks could not be understood", k.bad_lines);
	if (k.contradictions)
		model_note(g->m,
			   "/proc/locks changed while it was read: %u outdated lines left out",
			   k.contradictions);
	r = r ? merge_recorded(g) : merge(g, &k);
	kernel_locks_done(&k);
	return r ? collect_fail(error, r, "memory", strerror(-r), "") : 0;
}

const struct source source_locks = {"locks", collect};
