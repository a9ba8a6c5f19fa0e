/*
 * Who has the open file descriptions that locks belong to: every descriptor of every process is
 * looked at, by several threads. "lock:" lines say which descriptors hold a lock of such a form;
 * where there are several such locks, kcmp() says which descriptors are one.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/proc/crew.h"
#include "collector/source/merge.h"
#include "collector/source/owners_private.h"

/* A descriptor that holds a lock of the form of wanted lines. */
struct sighting {
	struct held_at at;
	uint32_t line;                 /* the first of the equal lines */
	char *path;                    /* malloc'ed, NULL unknown */
	const struct sighting *leader; /* the first that was found of the same description */
};

struct look {
	struct sighting *items;
	uint32_t count, room;
	int error;
};

struct hunt {
	struct search *s;
	const int *pids;
	struct index wanted; /* inode -> lines */
	struct look *looks;  /* of pids */
	struct sighting **found;
	uint32_t count;
};

/* What a thread of the crew works on. */
struct looker {
	const struct hunt *h;
	struct look *look;
};

/* The first of the wanted lines that are equal to it. */
static uint32_t find_line(const struct hunt *h, const struct kernel_lock *held)
{
	for (uint32_t n = index_first(&h->wanted, held->ino); n != UINT32_MAX;
	     n = index_next(&h->wanted, n)) {
		uint32_t line = h->wanted.entries[n].value;

		if (owners_is_same_lock(&h->s->k->items[line], held))
			return line;
	}
	return MODEL_NONE;
}

static bool see(const struct held_at *at, const struct kernel_lock *held, void *data)
{
	const struct looker *looker = data;
	struct look *look = looker->look;
	uint32_t line = find_line(looker->h, held);

	if (line == MODEL_NONE)
		return false;
	if (look->count == look->room) {
		uint32_t room = look->room ? look->room * 2 : 4;
		void *grown = reallocarray(look->items, room, sizeof(*look->items));

		if (!grown) {
			look->error = -ENOMEM;
			return true;
		}
		look->items = grown;
		look->room = room;
	}
	struct sighting *sighting = &look->items[look->count++];

	*sighting = (struct sighting){.at = *at, .line = line};
	sighting->path = at->link ? strdup(at->link) : NULL;
	sighting->at.link = sighting->path;
	return false;
}

static void look_at_process(void *data, uint32_t item)
{
	const struct hunt *h = data;
	struct looker looker = {h, &h->looks[item]};
	int r = held_by_process(h->s->proc, h->pids[item], &h->wanted, see, &looker);

	if (r)
		looker.look->error = r;
}

static int compare_places(const struct held_at *a, const struct held_at *b)
{
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->fd > b->fd) - (a->fd < b->fd);
}

/* By line; among equal lines by description, then as they were found. */
static int compare_sightings(const void *x, const void *y, void *data)
{
	const struct sighting *a = *(struct sighting *const *)x, *b = *(struct sighting *const *)y;
	struct hunt *h = data;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	int order = proc_compare_files(h->s->proc, a->at.task, a->at.fd, b->at.task, b->at.fd);

	if (order == 1 || order == 2)
		return order == 1 ? -1 : 1;
	if (order && order != -ESRCH && order != -EBADF)
		h->s->has_no_kcmp = true;
	return compare_places(&a->at, &b->at);
}

/* Without kcmp() descriptors of one process are taken for one description. */
static bool is_one(const struct hunt *h, const struct sighting *a, const struct sighting *b)
{
	if (a->line != b->line)
		return false;
	int order = proc_compare_files(h->s->proc, a->at.task, a->at.fd, b->at.task, b->at.fd);

	return order < 0 ? a->at.pid == b->at.pid : order == 0;
}

/* By line, then in the order in which the descriptions were found. */
static int compare_finds(const void *x, const void *y)
{
	const struct sighting *a = *(struct sighting *const *)x, *b = *(struct sighting *const *)y;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	int order = compare_places(&a->leader->at, &b->leader->at);

	return order ? order : compare_places(&a->at, &b->at);
}

static bool is_equal_line(const struct hunt *h, uint32_t entry, uint32_t line)
{
	const struct kernel_lock *items = h->s->k->items;

	return owners_is_same_lock(&items[h->wanted.entries[entry].value], &items[line]);
}

/* Whether no other of the wanted lines is equal to this one. */
static bool is_alone(const struct hunt *h, uint32_t line)
{
	uint32_t equal = 0;

	for (uint32_t n = index_first(&h->wanted, h->s->k->items[line].ino); n != UINT32_MAX;
	     n = index_next(&h->wanted, n))
		equal += is_equal_line(h, n, line);
	return equal == 1;
}

/* One lock of its form: all its descriptors are one description. Several: the kernel is asked. */
static void tell_apart(struct hunt *h, uint32_t first, uint32_t last)
{
	struct sighting **found = h->found;
	bool is_single = is_alone(h, found[first]->line);

	if (!is_single)
		qsort_r(found + first, last - first, sizeof(*found), compare_sightings, h);
	found[first]->leader = found[first];
	for (uint32_t i = first + 1; i < last; i++)
		found[i]->leader = is_single || is_one(h, found[i - 1], found[i])
					   ? found[i - 1]->leader
					   : found[i];
	if (!is_single)
		qsort(found + first, last - first, sizeof(*found), compare_finds);
}

/* The process's own record tells of a lock of this form: the description is that one's. */
static bool is_recorded(const struct hunt *h, const struct sighting *sighting)
{
	const struct model *m = h->s->g->m;
	const struct kernel_lock *e = &h->s->k->items[sighting->line];
	uint32_t process = gather_live_process(h->s->g, sighting->at.pid);

	if (process == MODEL_NONE || !m->processes.items[process].has_segment)
		return false;
	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *l = &m->locks.items[i];

		if (l->process == process && l->state == LOCK_HELD && l->kind == e->kind &&
		    l->mode == e->mode && l->start == e->start && l->end == e->end &&
		    m->resources.items[l->resource].ino == e->ino && l->evidence != EVIDENCE_STALE)
			return true;
	}
	return false;
}

static bool add_copy(struct search *s, uint32_t line, const struct sighting *sighting)
{
	struct kernel_locks *k = s->k;
	uint32_t process = gather_process(s->g, sighting->at.pid);
	struct kernel_lock *grown =
		process == MODEL_NONE
			? NULL
			: reallocarray(k->items, k->count + (size_t)1, sizeof(*k->items));

	if (!grown)
		return false;
	k->items = grown;
	k->items[k->count] = k->items[line];
	k->items[k->count].process = process;
	k->items[k->count].fd = sighting->at.fd;
	k->items[k->count].copy_of = line;
	k->count++;
	return true;
}

/* The one to show: who took the lock, if it still has it; else the first that was found. */
static uint32_t choose(const struct hunt *h, uint32_t line, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i < last; i++)
		if (h->found[i]->at.pid == h->s->k->items[line].pid)
			return i;
	return first;
}

/* found[first..last) are the descriptors of one description: it is the line's. */
static void give(struct hunt *h, uint32_t line, uint32_t first, uint32_t last)
{
	struct search *s = h->s;
	struct sighting *shown = h->found[choose(h, line, first, last)];
	struct kernel_lock *e = &s->k->items[line];
	pid_t told = shown->at.pid;

	e->process = gather_process(s->g, shown->at.pid);
	if (e->process == MODEL_NONE)
		return;
	e->fd = shown->at.fd;
	e->is_confirmed = true;
	e->is_deduced = shown->at.pid != e->pid;
	/* Not for the analysis where somebody else may have it, too. */
	e->ofd = s->is_incomplete ? 0 : UINT64_MAX - line;
	owners_use_path(s, merge_resource(s->g, e), &shown->at);
	for (uint32_t i = first; i < last; i++) {
		pid_t pid = h->found[i]->at.pid;

		if (pid != shown->at.pid && pid != told && add_copy(s, line, h->found[i]))
			told = pid;
	}
}

/* found[first..last) to the lines equal to theirs: one description each, in their order. */
static void hand_out(struct hunt *h, uint32_t first, uint32_t last)
{
	uint32_t line = h->found[first]->line;
	uint32_t n = index_first(&h->wanted, h->s->k->items[line].ino);

	for (uint32_t end; first < last; first = end) {
		bool is_known = false;

		for (end = first; end < last && h->found[end]->leader == h->found[first]->leader;
		     end++)
			is_known |= is_recorded(h, h->found[end]);
		while (n != UINT32_MAX && !is_equal_line(h, n, line))
			n = index_next(&h->wanted, n);
		if (is_known || n == UINT32_MAX)
			continue;
		give(h, h->wanted.entries[n].value, first, end);
		n = index_next(&h->wanted, n);
	}
}

static int compare_lines(const void *x, const void *y)
{
	const struct sighting *a = *(struct sighting *const *)x, *b = *(struct sighting *const *)y;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return compare_places(&a->at, &b->at);
}

/* All sightings in one array, by line. */
static bool collect(struct hunt *h, uint32_t count)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < count; i++) {
		int r = h->looks[i].error;

		h->s->has_unreadable |= r == -EACCES || r == -EPERM;
		total += h->looks[i].count;
	}
	h->s->is_incomplete |= h->s->has_unreadable;
	h->found = calloc(total + (size_t)1, sizeof(struct sighting *));
	for (uint32_t i = 0; h->found && i < count; i++)
		for (uint32_t n = 0; n < h->looks[i].count; n++)
			h->found[h->count++] = &h->looks[i].items[n];
	if (h->found)
		qsort(h->found, h->count, sizeof(*h->found), compare_lines);
	return h->found;
}

static void settle(struct hunt *h)
{
	for (uint32_t first = 0, last; first < h->count; first = last) {
		uint32_t line = h->found[first]->line;

		for (last = first + 1; last < h->count && h->found[last]->line == line;)
			last++;
		tell_apart(h, first, last);
		hand_out(h, first, last);
	}
}

static void hunt_done(struct hunt *h, uint32_t count)
{
	for (uint32_t i = 0; h->looks && i < count; i++) {
		for (uint32_t n = 0; n < h->looks[i].count; n++)
			free(h->looks[i].items[n].path);
		free(h->looks[i].items);
	}
	free(h->looks);
	free(h->found);
	index_done(&h->wanted);
}

void owners_find_descriptions(struct search *s, const int *pids, uint32_t count,
			      const uint32_t *wanted, uint32_t wanted_count)
{
	struct hunt h = {
		.s = s, .pids = pids, .looks = calloc(count + (size_t)1, sizeof(*h.looks))};
	bool is_ok = h.looks;

	for (uint32_t i = 0; is_ok && i < wanted_count; i++)
		is_ok = index_add(&h.wanted, s->k->items[wanted[i]].ino, wanted[i]);
	if (is_ok) {
		crew_run(look_at_process, &h, count);
		is_ok = collect(&h, count);
	}
	if (is_ok)
		settle(&h);
	else
		s->g->m->out_of_memory = true;
	hunt_done(&h, count);
}
