/* Locks that handlers came into, as JSON. */
#include "config.h"

#include "cli/json.h"

static struct json_object *use_object(struct view *v, uint32_t use)
{
	const struct model_use u = v->model->uses.items[use];
	struct json_object *o = json_object_new_object();

	json_add_path(o, "file", u.file[0] ? u.file : NULL);
	json_add_number(o, "dev", u.dev);
	json_add_number(o, "ino", u.ino);
	json_add_text(o, "kind", json_lock_kind(u.kind));
	json_add_text(o, "mode", u.mode == MODE_WRITE ? "write" : "read");
	json_add_number(o, "start", u.start);
	if (u.end == MODEL_TO_EOF)
		json_add(o, "end", NULL);
	else
		json_add_number(o, "end", u.end);
	json_add(o, "taken", json_frames(v, u.stack));
	return o;
}

struct json_object *json_held(struct view *v, const uint32_t *held, uint32_t count)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < count && i < HELD_MAX; i++)
		json_object_array_add(array, use_object(v, held[i]));
	return array;
}

struct json_object *json_interrupted_locks(struct view *v, uint32_t handler)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < v->model->uses.count; i++) {
		const struct model_use u = v->model->uses.items[i];
		struct json_object *o;

		if (u.handler != handler || u.role != USE_INTERRUPTED)
			continue;
		o = use_object(v, i);
		json_add_number(o, "count", u.count);
		json_add_number(o, "dropped", u.dropped);
		json_object_array_add(array, o);
	}
	return array;
}
