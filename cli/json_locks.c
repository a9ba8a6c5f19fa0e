/*
 * Locks as JSON: one entry for each lock that is held, with all that hold it so and all that are
 * queued behind it; one for each wait whose holder is not known.
 */
#include "config.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/why.h"

/* Follows the waiters to the hold at the queue's head; the wait itself if nobody is known. */
static uint32_t head_of(const struct model *m, uint32_t lock)
{
	for (uint32_t i = 0; i < m->locks.count && m->locks.items[lock].blocker != MODEL_NONE; i++)
		lock = m->locks.items[lock].blocker;
	return lock;
}

static bool is_same_lock(const struct model_lock *a, const struct model_lock *b)
{
	return a->state == LOCK_HELD && b->state == LOCK_HELD && a->resource == b->resource &&
	       a->kind == b->kind && a->mode == b->mode && a->start == b->start && a->end == b->end;
}

const char *json_lock_kind(enum lock_kind kind)
{
	static const char *const kinds[LOCK_KINDS] = {
		[LOCK_POSIX] = "posix",   [LOCK_OFD] = "ofd",       [LOCK_FLOCK] = "flock",
		[LOCK_LEASE] = "lease",   [LOCK_MUTEX] = "mutex",   [LOCK_RWLOCK] = "rwlock",
		[LOCK_SPIN] = "spin",     [LOCK_STREAM] = "stream", [LOCK_HEAP] = "heap",
		[LOCK_LOADER] = "loader",
	};

	return kinds[kind];
}

static struct json_object *new_entry(const struct model *m, const struct model_lock *l)
{
	const struct model_resource *r = &m->resources.items[l->resource];
	struct json_object *o = json_object_new_object();

	json_add_path(o, "file", r->path);
	if (r->kind == RESOURCE_MEMORY)
		json_add_hex(o, "address", r->address);
	else
		json_add(o, "address", NULL);
	json_add_bool(o, "deleted", r->is_deleted);
	json_add_bool(o, "replaced", r->is_replaced);
	json_add_bool(o, "detached", r->is_detached);
	if (r->seen_by)
		json_add_int(o, "path_seen_by", r->seen_by);
	else
		json_add(o, "path_seen_by", NULL);
	json_add_number(o, "dev", r->dev ? r->dev : r->kernel_dev);
	json_add_number(o, "ino", r->ino);
	json_add_text(o, "kind", json_lock_kind(l->kind));
	json_add_text(o, "mode", l->mode == MODE_WRITE ? "write" : "read");
	json_add_number(o, "start", l->start);
	if (l->end == MODEL_TO_EOF)
		json_add(o, "end", NULL);
	else
		json_add_number(o, "end", l->end);
	json_add(o, "holders", json_object_new_array());
	json_add(o, "waiters", json_object_new_array());
	return o;
}

static struct json_object *sharers(const struct model *m, uint32_t lock)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = m->locks.items[lock].next_copy; i != MODEL_NONE;
	     i = m->locks.items[i].next_copy)
		json_object_array_add(
			array,
			json_object_new_int(m->processes.items[m->locks.items[i].process].pid));
	return array;
}

static struct json_object *new_party(struct view *v, uint32_t lock)
{
	static const char *const evidence[] = {"observed", "recorded", "inferred", "stale"};
	static const char *const states[] = {"held", "waiting", "polling"};
	const struct model *m = v->model;
	const struct model_lock l = m->locks.items[lock];
	struct json_object *o = json_object_new_object();

	json_add_pid(o, "pid", m, l.process);
	if (l.thread == MODEL_NONE)
		json_add(o, "tid", NULL);
	else
		json_add_int(o, "tid", m->threads.items[l.thread].tid);
	json_add_text(o, "state", states[l.state]);
	json_add_text(o, "mode", l.mode == MODE_WRITE ? "write" : "read");
	json_add_number(o, "start", l.start);
	if (l.end == MODEL_TO_EOF)
		json_add(o, "end", NULL);
	else
		json_add_number(o, "end", l.end);
	json_add_text(o, "evidence", evidence[l.evidence]);
	json_add_time(o, "since_ns", m, l.since_ns);
	json_add_bool(o, "since_at_least", l.is_sampled);
	json_add_time(o, "seen_until_ns", m, l.seen_until_ns);
	uint64_t until_ns = l.seen_until_ns ? l.seen_until_ns : m->now_ns;

	if (l.since_ns)
		json_add_number(o, "for_ns", until_ns > l.since_ns ? until_ns - l.since_ns : 0);
	else
		json_add(o, "for_ns", NULL);
	if (l.state == LOCK_POLLING)
		json_add_number(o, "tries", l.tries);
	if (l.state != LOCK_HELD)
		json_add_pid(o, "blocked_by", m,
			     l.blocker == MODEL_NONE ? MODEL_NONE
						     : m->locks.items[l.blocker].process);
	if (l.fd < 0)
		json_add(o, "descriptor", NULL);
	else
		json_add_int(o, "descriptor", l.fd);
	json_add_bool(o, "carried_over_exec", l.is_carried);
	json_add_bool(o, "inherited", l.is_inherited);
	if (l.taker)
		json_add_int(o, "taken_by", l.taker);
	if (l.process == MODEL_NONE)
		json_add_text(o, "owner_unknown", l.unowned);
	if (l.state == LOCK_HELD && l.kind != LOCK_POSIX && l.kind < LOCK_MUTEX) {
		json_add(o, "shared_with", sharers(m, lock));
		json_add_bool(o, "through_mapping", l.is_through_map);
	}
	if (l.kind == LOCK_LEASE) {
		json_add_bool(o, "delegation", l.is_delegation);
		json_add_bool(o, "breaking", l.is_breaking);
	}
	json_add_bool(o, "taken_before_attach", l.is_before);
	json_add(o, "stack", json_frames(v, l.stack));
	return o;
}

static void add_party(struct json_object *entry, const char *key, struct json_object *party)
{
	json_object_array_add(json_object_object_get(entry, key), party);
}

/* What the waiters of each lock wait for in the end; the first of its holders stands for all. */
static void add_causes(const struct view *v, struct json_object **entries)
{
	const struct model *m = v->model;

	for (uint32_t i = 0; i < v->graph.count; i++) {
		uint32_t lock = v->graph.nodes[i].lock;
		struct json_object *entry = entries[lock];
		char *cause;

		if (!entry || m->locks.items[lock].state != LOCK_HELD ||
		    json_object_object_get_ex(entry, "cause", NULL))
			continue;
		uint32_t waiters =
			json_object_array_length(json_object_object_get(entry, "waiters"));

		cause = waiters ? why_cause_of_hold(v, lock, waiters) : NULL;
		json_add_text(entry, "cause", cause);
		free(cause);
	}
}

struct json_object *json_locks(struct view *v)
{
	const struct model *m = v->model;
	struct json_object *array = json_object_new_array(), *entry = NULL;
	struct json_object **entries = calloc(m->locks.count + 1, sizeof(*entries));
	uint32_t last = MODEL_NONE;

	/* Holders first: a waiter's holder may stand behind it in no order, but it stands
	 * somewhere. */
	for (uint32_t i = 0; entries && i < v->graph.count; i++) {
		uint32_t lock = v->graph.nodes[i].lock;

		if (m->locks.items[lock].state != LOCK_HELD && head_of(m, lock) != lock)
			continue;
		if (last == MODEL_NONE ||
		    !is_same_lock(&m->locks.items[last], &m->locks.items[lock])) {
			entry = new_entry(m, &m->locks.items[lock]);
			json_object_array_add(array, entry);
		}
		entries[lock] = entry;
		last = lock;
	}
	for (uint32_t i = 0; entries && i < v->graph.count; i++) {
		uint32_t lock = v->graph.nodes[i].lock;
		bool is_hold = m->locks.items[lock].state == LOCK_HELD;

		entry = entries[head_of(m, lock)];
		if (entry)
			add_party(entry, is_hold ? "holders" : "waiters", new_party(v, lock));
	}
	if (entries)
		add_causes(v, entries);
	free(entries);
	return array;
}
