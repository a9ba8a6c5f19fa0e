/* See owners.h. Reads /proc; opens no file of a target. */
#include "config.h"

#include "collector/source/owners.h"

#include <stdlib.h>
#include <unistd.h>

#include "collector/source/merge.h"
#include "collector/source/owners_private.h"

/* Lines whose open file description is looked for in every process. */
struct wanted {
	uint32_t *lines;
	uint32_t count;
	struct index readers; /* inode -> READ holds of descriptions */
	bool has_waiters;     /* there are also waiters whom the kernel does not name */
};

/* A line that names a process; false when that one is gone. */
static bool find_named(struct search *s, struct kernel_lock *e)
{
	e->process = gather_process(s->g, e->pid);
	if (e->process == MODEL_NONE)
		return false;
	owners_find_path(s, e);
	return true;
}

static bool is_contended(const struct kernel_locks *k, uint32_t line)
{
	return line + 1 < k->count && k->items[line + 1].depth > 0;
}

/* Another READ lock of the same taker on the same file. */
static bool has_equal(const struct kernel_locks *k, const struct wanted *w, uint32_t line)
{
	const struct kernel_lock *e = &k->items[line];

	for (uint32_t n = index_first(&w->readers, e->ino); n != UINT32_MAX;
	     n = index_next(&w->readers, n))
		if (w->readers.entries[n].value != line &&
		    owners_is_same_lock(&k->items[w->readers.entries[n].value], e))
			return true;
	return false;
}

/* Why the kernel names nobody; NULL if the owner can be found by looking. */
static const char *why_nameless(const struct kernel_lock *e)
{
	if (e->kind == LOCK_OFD || e->pid > 0)
		return NULL;
	return e->pid == 0 ? "its process is outside of this pid namespace"
			   : "the kernel has it for another machine, or for a file server";
}

/*
 * Who took a description's lock is only its owner while he has the descriptor: he may have ended,
 * have passed it on, or another process may have his pid by now.
 */
static void look_for(struct search *s, uint32_t line, struct wanted *w)
{
	struct kernel_lock *e = &s->k->items[line];
	bool is_named = e->pid > 0 && find_named(s, e);

	e->unowned = why_nameless(e);
	if (e->unowned)
		return;
	if (e->depth || !owners_is_shared_kind(e)) {
		e->is_outdated = e->pid > 0 && !is_named;
		w->has_waiters |= e->pid <= 0;
		return;
	}
	e->has_taker_ended = e->pid > 0 && !is_named;
	bool is_equal = has_equal(s->k, w, line);

	if (!e->is_confirmed || is_equal)
		e->process = MODEL_NONE;
	/* Who else has it is asked where it matters. */
	if (!e->is_confirmed || is_equal || is_contended(s->k, line))
		w->lines[w->count++] = line;
}

static struct wanted find_wanted(struct search *s)
{
	struct wanted w = {.lines = calloc(s->k->count + (size_t)1, sizeof(*w.lines))};

	for (uint32_t i = 0; w.lines && i < s->k->count; i++) {
		const struct kernel_lock *e = &s->k->items[i];

		if (!e->depth && !e->is_outdated && e->mode == MODE_READ &&
		    owners_is_shared_kind(e) && !index_add(&w.readers, e->ino, i))
			break;
	}
	for (uint32_t i = 0; w.lines && i < s->k->count; i++) {
		struct kernel_lock *e = &s->k->items[i];

		/* Who recorded it may have had no /proc to learn the path from. */
		if (e->lock != MODEL_NONE)
			owners_find_path(s, e);
		else if (!e->is_outdated && !e->is_deduced)
			look_for(s, i, &w);
	}
	return w;
}

static void note_unowned(struct search *s)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < s->k->count; i++)
		left += s->k->items[i].process == MODEL_NONE && !s->k->items[i].is_outdated;
	if (left)
		model_note(s->g->m, "%u locks belong to nobody who could be found", left);
	if (s->is_pathless || (left && s->has_unreadable))
		model_note(s->g->m, "the descriptors of some processes may not be read (%s)",
			   proc_access_advice());
	if (s->has_no_kcmp)
		model_note(s->g->m, "which descriptors are one could not be told (kcmp: run as "
				    "root): locks may be shown for the wrong process");
}

/* All processes, or as many as are looked at. */
static uint32_t list_processes(struct search *s, int **pids)
{
	ssize_t count = proc_list(s->proc, pids, "%s", "");

	if (count < 0) {
		*pids = NULL;
		return 0;
	}
	if (count > OWNERS_SCAN_MAX) {
		model_note(s->g->m, "the descriptors of %zd more processes were not looked at",
			   count - OWNERS_SCAN_MAX);
		s->is_incomplete = true;
		count = OWNERS_SCAN_MAX;
	}
	return count;
}

/* An open file description that is not known to belong to a running process. */
static bool is_adrift(const struct gather *g, const struct kernel_lock *e)
{
	return e->lock == MODEL_NONE && !e->is_outdated && !e->depth && owners_is_shared_kind(e) &&
	       (e->pid <= 0 || !proc_live_task(g->proc, e->pid));
}

void owners_find_among_recorded(struct gather *g, struct kernel_locks *k)
{
	struct search s = {.g = g, .proc = g->proc, .k = k, .is_incomplete = true};
	uint32_t *wanted = calloc(k->count + (size_t)1, sizeof(*wanted)), count = 0;
	int *pids = calloc(g->m->processes.count + (size_t)1, sizeof(*pids)), pid_count = 0;

	for (uint32_t i = 0; wanted && i < k->count; i++)
		if (is_adrift(g, &k->items[i]))
			wanted[count++] = i;
	for (uint32_t i = 0; pids && i < g->m->processes.count; i++)
		if (g->m->processes.items[i].state == PROCESS_LIVE)
			pids[pid_count++] = g->m->processes.items[i].pid;
	if (wanted && pids)
		owners_find_descriptions(&s, pids, pid_count, wanted, count);
	else
		g->m->out_of_memory = true;
	free(wanted);
	free(pids);
}

/* Chosen processes are looked at also where /proc/locks shows no wait of theirs. */
static bool has_process_target(const struct gather *g)
{
	for (uint32_t i = 0; i < g->options->target_count; i++)
		if (g->options->targets[i].pid > 0 || g->options->targets[i].name[0] != '/')
			return true;
	return false;
}

/* What is taken and released all the time is not looked for in every process. */
static void keep_lasting(struct search *s, struct wanted *w)
{
	uint32_t count = 0, kept = 0;

	for (uint32_t i = 0; i < w->count; i++)
		count += s->k->items[w->lines[i]].pid > 0 &&
			 s->k->items[w->lines[i]].process == MODEL_NONE;
	if (!count)
		return;
	owners_drop_released(s, w->lines, w->count);
	for (uint32_t i = 0; i < w->count; i++)
		if (!s->k->items[w->lines[i]].is_outdated)
			w->lines[kept++] = w->lines[i];
	w->count = kept;
}

static void look_at_all(struct search *s, const struct wanted *w, bool want_unlisted)
{
	int *pids;
	uint32_t count = list_processes(s, &pids);

	if (w->count) {
		owners_find_descriptions(s, pids, count, w->lines, w->count);
		owners_explain(s, pids, count, w->lines, w->count);
	}
	if (w->has_waiters || want_unlisted)
		owners_find_waiters(s, pids, count, want_unlisted);
	free(pids);
}

void owners_find(struct gather *g, struct kernel_locks *k)
{
	struct search s = {.g = g, .proc = g->proc, .k = k};
	bool is_inside = proc_is_in_pid_namespace(g->proc), is_saved = gather_is_saved(g);
	bool want_unlisted = !is_saved && (is_inside || has_process_target(g));

	owners_index_mounts(g->proc, getpid(), &s.mounts);
	owners_read_ahead(&s);
	struct wanted w = find_wanted(&s);

	if (w.lines)
		keep_lasting(&s, &w);
	if (!w.lines)
		g->m->out_of_memory = true;
	else if (w.count || w.has_waiters || want_unlisted)
		look_at_all(&s, &w, want_unlisted);
	note_unowned(&s);
	if (is_inside && !is_saved)
		model_note(g->m, "/proc/locks hides what processes outside of this pid namespace "
				 "hold (run in the initial one)");
	owners_mark_replaced(g);
	free(w.lines);
	index_done(&w.readers);
	index_done(&s.mounts);
}
