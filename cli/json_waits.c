/* Waits as JSON: who waits for what, and who could end that. */
#include "config.h"

#include "cli/json.h"

#define NEEDS_MAX 64 /* that are listed: of a crowd of holders `locks` has all */

static void add_tid(struct json_object *o, const struct model *m, uint32_t thread)
{
	if (thread == MODEL_NONE)
		json_add(o, "tid", NULL);
	else
		json_add_int(o, "tid", m->threads.items[thread].tid);
}

static struct json_object *ways_array(const struct model *m, const struct model_need *need)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < need->way_count; i++) {
		const struct model_way *way = &m->ways.items[need->first_way + i];
		struct json_object *o = json_object_new_object();

		json_add_pid(o, "pid", m, way->process);
		add_tid(o, m, way->thread);
		json_add_text(o, "how", way->how);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *needs_array(const struct model *m, const struct model_wait *w)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < w->need_count && i < NEEDS_MAX; i++) {
		struct json_object *o = json_object_new_object();

		json_add(o, "ways", ways_array(m, &m->needs.items[w->first_need + i]));
		json_object_array_add(array, o);
	}
	return array;
}

static void add_times(struct json_object *o, const struct model *m, const struct model_wait *w)
{
	json_add_time(o, "since_ns", m, w->since_ns);
	if (w->since_ns)
		json_add_number(o, "for_ns", m->now_ns > w->since_ns ? m->now_ns - w->since_ns : 0);
	else
		json_add(o, "for_ns", NULL);
	json_add_time(o, "until_ns", m, w->until_ns == UINT64_MAX ? 0 : w->until_ns);
	json_add_bool(o, "ends_by_itself", w->until_ns != 0);
	if (w->idle_ns)
		json_add_number(o, "idle_ns", w->idle_ns);
	else
		json_add(o, "idle_ns", NULL);
}

struct json_object *json_waits(const struct view *v)
{
	const struct model *m = v->model;
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < m->waits.count; i++) {
		const struct model_wait *w = &m->waits.items[i];
		struct json_object *o = json_object_new_object();

		json_add_pid(o, "pid", m, w->process);
		add_tid(o, m, w->thread);
		json_add_text(o, "kind", wait_kind_name(w->kind));
		json_add_text(o, "object", w->object);
		json_add_text(o, "unseen", w->unseen);
		add_times(o, m, w);
		json_add(o, "needs", needs_array(m, w));
		json_add_number(o, "need_count", w->need_count);
		json_object_array_add(array, o);
	}
	return array;
}
