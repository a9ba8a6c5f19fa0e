/*
 * lock-order of classes: the same files in different places. One process locks user/joe/header and
 * then user/joe/index, another one user/ann/index and then user/ann/header: nobody was seen to do
 * both with one user, but the code takes both orders. Two steps are of one class where one
 * component of the paths, put in place of another, makes what the one holds what the other asks
 * for, and the reverse. Weaker evidence than the same files: a note, and only where these were not
 * found.
 *
 * Pairs only. The component is a directory: files of one directory are no class, and two files of
 * one name are taken in some order of their places. A component that stands in one of the two paths
 * alone counts for processes of one program.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"
#include "collector/analysis/analysis_order.h"

#define ENTRIES_MAX (2u << 20)
#define CANDIDATES 8 /* of each direction in a class */
#define TOLD_MAX 20

/* An arc with one component of its paths taken for variable. */
struct entry {
	uint64_t low, high; /* hashes of the two paths without it, the smaller one first */
	bool is_up;         /* low is what is held */
	bool is_in_both;    /* it stands in both paths */
	uint32_t arc;
	uint64_t variable; /* hash of the component */
};

struct classes {
	struct orders *o;
	struct entry *entries;
	uint32_t count, room;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t hash_component(const char *at, size_t length)
{
	uint64_t hash = length + 1;

	for (size_t i = 0; i < length; i++)
		hash = mix(hash, (unsigned char)at[i]);
	return hash;
}

#define PARTS_MAX 24 /* a path with more is left out */

/* A path as the hashes of its components; the last one is the file's name. */
struct parts {
	uint64_t hashes[PARTS_MAX];
	uint32_t count; /* 0: too many */
};

static struct parts split(const char *path)
{
	struct parts p = {.count = 0};

	while (*path && p.count < PARTS_MAX) {
		size_t length = strcspn(path, "/");

		if (length)
			p.hashes[p.count++] = hash_component(path, length);
		path += length + (path[length] == '/');
	}
	if (*path)
		p.count = 0;
	return p;
}

/* Of a path in which each directory that hashes to `variable` stands for any. *found: one did. */
static uint64_t hash_path(const struct parts *p, uint64_t variable, bool *found)
{
	uint64_t hash = 1;

	*found = false;
	for (uint32_t i = 0; i < p->count; i++) {
		bool is_variable = i + 1 < p->count && p->hashes[i] == variable;

		hash = mix(hash, is_variable ? 0 : p->hashes[i]);
		*found |= is_variable;
	}
	return hash;
}

static const char *path_of(const struct orders *o, uint32_t resource)
{
	const struct model_resource *r = &o->m->resources.items[resource];

	return r->kind == RESOURCE_FILE && r->path[0] == '/' ? r->path : NULL;
}

static const char *held_path(const struct orders *o, const struct order_step *s)
{
	return path_of(o, o->m->holdings.items[s->holding].resource);
}

static const char *asked_path(const struct orders *o, const struct order_step *s)
{
	return path_of(o, o->m->edges.items[s->edge].resource);
}

static bool add_entry(struct classes *c, struct entry entry)
{
	if (c->count == c->room) {
		uint32_t room = c->room ? c->room * 2 : 1024;
		struct entry *grown = reallocarray(c->entries, room, sizeof(*grown));

		if (!grown)
			return false;
		c->entries = grown;
		c->room = room;
	}
	c->entries[c->count++] = entry;
	return true;
}

/* One entry for each directory of either path. What stands in both is added with the held one. */
static bool add_directories(struct classes *c, uint32_t arc, const struct parts *held,
			    const struct parts *asked, bool is_held)
{
	const struct parts *own = is_held ? held : asked;

	for (uint32_t i = 0; i + 1 < own->count && c->count < ENTRIES_MAX; i++) {
		bool is_in_held, is_in_asked;
		uint64_t a = hash_path(held, own->hashes[i], &is_in_held);
		uint64_t b = hash_path(asked, own->hashes[i], &is_in_asked);

		if ((is_held || !is_in_held) &&
		    !add_entry(c, (struct entry){a < b ? a : b, a < b ? b : a, a < b,
						 is_in_held && is_in_asked, arc, own->hashes[i]}))
			return false;
	}
	return true;
}

static bool add_arcs(struct classes *c)
{
	const struct orders *o = c->o;

	for (uint32_t i = 0; i < o->arc_count; i++) {
		const struct order_step *s = &o->steps[o->arcs[i].first_step];
		const char *held_text = held_path(o, s), *asked_text = asked_path(o, s);

		if (!held_text || !asked_text)
			continue;
		struct parts held = split(held_text), asked = split(asked_text);

		if (!held.count || !asked.count ||
		    held.hashes[held.count - 1] == asked.hashes[asked.count - 1])
			continue;
		if (!add_directories(c, i, &held, &asked, true) ||
		    !add_directories(c, i, &held, &asked, false))
			return false;
	}
	return true;
}

static int compare_entries(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->is_up != b->is_up)
		return a->is_up ? 1 : -1;
	return (a->arc > b->arc) - (a->arc < b->arc);
}

/* --- could these two be of one place?
 * ------------------------------------------------------------- */

static bool is_meeting(const struct order_spot *held, const struct order_spot *asked)
{
	return held->start <= asked->end && asked->start <= held->end &&
	       (held->mode == MODE_WRITE || asked->mode == MODE_WRITE) &&
	       order_do_kinds_meet(held->kind, asked->kind);
}

/* A lock beside the two that both hold: the same file, or the same file of each place. */
static bool has_gate(const struct orders *o, const struct order_step *a, uint64_t variable_a,
		     const struct order_step *b, uint64_t variable_b)
{
	const struct model_holding *holdings = o->m->holdings.items;
	bool ignored;

	for (uint32_t i = o->m->edges.items[a->edge].held; i != MODEL_NONE; i = holdings[i].under) {
		const char *path = path_of(o, holdings[i].resource);
		struct parts parts = split(path ? path : "");
		uint64_t hash = hash_path(&parts, variable_a, &ignored);

		for (uint32_t k = o->m->edges.items[b->edge].held; path && k != MODEL_NONE;
		     k = holdings[k].under) {
			const char *other = path_of(o, holdings[k].resource);
			struct parts others = split(other ? other : "");

			if (other && hash_path(&others, variable_b, &ignored) == hash &&
			    is_meeting(&o->spots[o->holding_spots[i]],
				       &o->spots[o->holding_spots[k]]))
				return true;
		}
	}
	return false;
}

static bool is_one_program(const struct orders *o, const struct order_step *a,
			   const struct order_step *b)
{
	return !analysis_compare_programs(o->m, o->m->edges.items[a->edge].process,
					  o->m->edges.items[b->edge].process);
}

static bool is_pair(struct orders *o, const struct entry *x, const struct entry *y,
		    uint32_t path[2])
{
	const struct order_arc *a = &o->arcs[x->arc], *b = &o->arcs[y->arc];

	if (x->variable == y->variable || !is_meeting(&o->spots[a->from], &o->spots[b->to]) ||
	    !is_meeting(&o->spots[b->from], &o->spots[a->to]))
		return false;
	for (uint32_t i = 0; i < a->step_count * b->step_count; i++) {
		path[0] = a->first_step + i / b->step_count;
		path[1] = b->first_step + i % b->step_count;
		const struct order_step *s = &o->steps[path[0]], *t = &o->steps[path[1]];

		if (!order_is_same_thread(o, s, t) && (x->is_in_both || is_one_program(o, s, t)) &&
		    !has_gate(o, s, x->variable, t, y->variable))
			return true;
	}
	return false;
}

/* --- all classes
 * ---------------------------------------------------------------------------------- */

/* The entries [first, end) are of one class; those of one direction come before those of the other.
 */
static bool find_pair(struct orders *o, const struct entry *entries, uint32_t first, uint32_t end,
		      uint32_t path[2])
{
	uint32_t turn = first;

	for (uint32_t i = first; i < end; i++) {
		/* The same in one place was told. */
		if (o->arcs[entries[i].arc].is_covered)
			return false;
		turn += !entries[i].is_up;
	}
	for (uint32_t i = first; i < turn && i < first + CANDIDATES; i++)
		for (uint32_t k = turn; k < end && k < turn + CANDIDATES; k++)
			if (is_pair(o, &entries[i], &entries[k], path))
				return true;
	return false;
}

static void search(struct classes *c)
{
	uint32_t told = 0, path[2];

	for (uint32_t i = 0, end; i < c->count && told < TOLD_MAX; i = end) {
		for (end = i + 1; end < c->count && c->entries[end].low == c->entries[i].low &&
				  c->entries[end].high == c->entries[i].high;)
			end++;
		if (!find_pair(c->o, c->entries, i, end, path))
			continue;
		order_report_class(c->o, path);
		told++;
	}
}

bool order_find_classes(struct orders *o)
{
	struct classes c = {.o = o};
	bool is_fine = add_arcs(&c);

	if (is_fine && c.count) {
		qsort(c.entries, c.count, sizeof(*c.entries), compare_entries);
		search(&c);
	}
	if (c.count >= ENTRIES_MAX)
		o->is_short = true;
	free(c.entries);
	return is_fine;
}
