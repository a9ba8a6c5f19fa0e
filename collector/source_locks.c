/* Source: /proc/locks, the truth about now, merged with what the segments recorded. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "collector/kernel_locks.h"
#include "collector/merge.h"
#include "collector/owners.h"
#include "collector/source.h"

static bool has_live_process(const struct gather *g, pid_t pid)
{
	for (uint32_t e = index_first(&g->processes, pid); e != UINT32_MAX;
	     e = index_next(&g->processes, e))
		if (g->m->processes.items[g->processes.entries[e].value].state == PROCESS_LIVE)
			return true;
	return false;
}

/* Of a saved session only holds and queues in which one of its processes stands are of interest. */
static void drop_foreign(const struct gather *g, struct kernel_locks *k)
{
	for (uint32_t first = 0, last; first < k->count; first = last) {
		bool is_ours = false;

		for (last = first; last == first || (last < k->count && k->items[last].depth); last++)
			is_ours |= k->items[last].lock != MODEL_NONE ||
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

static int merge(struct gather *g, struct kernel_locks *k)
{
	int r = merge_match(g, k);

	if (r)
		return r;
	if (g->options->dir)
		drop_foreign(g, k);
	owners_find(g, k);
	owners_confirm_waits(g);
	return merge_finish(g, k);
}

static int collect(struct gather *g, struct collect_error *error)
{
	struct kernel_locks k = {0};
	bool is_saved = g->options->dir;
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
		model_note(g->m, "/proc/locks changed while it was read: %u outdated lines left out",
			   k.contradictions);
	r = r ? merge_finish(g, NULL) : merge(g, &k);
	kernel_locks_done(&k);
	return r ? collect_fail(error, r, "memory", strerror(-r), "") : 0;
}

const struct source source_locks = {"locks", collect};
