/* Why a process is stuck, as JSON. */
#include "config.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/why.h"

static void add_malloced(struct json_object *o, const char *key, char *text)
{
	json_add_text(o, key, text);
	free(text);
}

static void add_wait(struct json_object *o, const struct model *m, const struct chain_link *l)
{
	const struct model_wait *w = l->wait == MODEL_NONE ? NULL : &m->waits.items[l->wait];

	json_add_text(o, "waits_for", w ? w->object : NULL);
	json_add_time(o, "since_ns", m, w ? w->since_ns : 0);
	json_add_bool(o, "in_cycle", w && w->is_in_cycle);
	json_add_text(o, "unseen", w ? w->unseen : NULL);
}

/* How it stands in the way of its parent. */
static void add_way(struct view *v, struct json_object *o, const struct chain_link *l)
{
	const struct model *m = v->model;
	const struct model_need *need = l->need == MODEL_NONE ? NULL : &m->needs.items[l->need];
	uint32_t hold = need ? need->hold : MODEL_NONE;
	const char *how = l->way == MODEL_NONE ? NULL : m->ways.items[l->way].how;

	if (!need) {
		json_add(o, "way", NULL);
		return;
	}
	struct json_object *way = json_object_new_object();

	json_add_text(way, "how", hold != MODEL_NONE ? "holds the lock" : how);
	json_add_time(way, "since_ns", m, hold == MODEL_NONE ? 0 : m->locks.items[hold].since_ns);
	json_add_text(way, "unseen", need->unseen);
	json_add_number(way, "others", l->others);
	json_add(way, "taken",
		 json_frames(v, hold == MODEL_NONE ? MODEL_NONE : m->locks.items[hold].stack));
	json_add(o, "way", way);
}

static struct json_object *new_link(struct view *v, const struct chain_link *l)
{
	const struct model *m = v->model;
	struct json_object *o = json_object_new_object();

	json_add_pid(o, "pid", m, l->process);
	if (l->thread == MODEL_NONE)
		json_add(o, "tid", NULL);
	else
		json_add_int(o, "tid", m->threads.items[l->thread].tid);
	if (l->parent == MODEL_NONE)
		json_add(o, "parent", NULL);
	else
		json_add_int(o, "parent", l->parent);
	if (l->back == MODEL_NONE)
		json_add(o, "back_to", NULL);
	else
		json_add_int(o, "back_to", l->back);
	add_malloced(o, "doing", why_doing(v, l));
	add_wait(o, m, l);
	add_way(v, o, l);
	json_add(o, "frames",
		 json_frames(v, l->thread == MODEL_NONE || l->back != MODEL_NONE
					? MODEL_NONE
					: view_thread_stack(v, l->thread)));
	return o;
}

struct json_object *json_why(struct view *v, const struct chain *c)
{
	const struct model *m = v->model;
	struct json_object *o = json_object_new_object(), *links = json_object_new_array();
	struct json_object *advice = json_object_new_object();

	json_add_pid(o, "pid", m, c->links->process);
	json_add_bool(o, "stuck", chain_is_stuck(c, m));
	json_add_text(o, "cause", why_cause(m, c));
	json_add_pid(o, "cause_pid", m, why_root(c)->process);
	add_malloced(o, "sentence", why_sentence(v, c));
	add_malloced(advice, "text", why_advice(v, c));
	json_add_pid(advice, "end_pid", m, c->victim);
	json_add_number(advice, "goes_on", c->freed);
	json_add(o, "advice", advice);
	for (uint32_t i = 0; i < c->count; i++)
		json_object_array_add(links, new_link(v, &c->links[i]));
	json_add(o, "links", links);
	return o;
}
