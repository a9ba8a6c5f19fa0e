#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/render_text.h"
#include "cli/text.h"
#include "collector/model/findings.h"

void json_add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

/* Valid UTF-8 of at most three times the length. malloc'ed; NULL if the text is valid already. */
static char *repair_utf8(const char *text)
{
	const char *s = text;
	char *copy, *to;
	int length;

	while ((length = text_utf8_length(s)) > 0)
		s += length;
	if (!*s)
		return NULL;
	copy = to = malloc(3 * strlen(text) + 1);
	for (s = text; copy && *s; s += length ? length : 1) {
		length = text_utf8_length(s);
		memcpy(to, length ? s : "\xef\xbf\xbd", length ? length : 3);
		to += length ? length : 3;
	}
	if (copy)
		*to = '\0';
	return copy;
}

void json_add_text(struct json_object *o, const char *key, const char *text)
{
	char *repaired = text ? repair_utf8(text) : NULL;

	json_add(o, key, text ? json_object_new_string(repaired ? repaired : text) : NULL);
	free(repaired);
}

void json_add_number(struct json_object *o, const char *key, uint64_t number)
{
	json_add(o, key, json_object_new_uint64(number));
}

void json_add_int(struct json_object *o, const char *key, int64_t number)
{
	json_add(o, key, json_object_new_int64(number));
}

void json_add_bool(struct json_object *o, const char *key, bool value)
{
	json_add(o, key, json_object_new_boolean(value));
}

void json_add_hex(struct json_object *o, const char *key, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, number);
	json_add_text(o, key, text);
}

void json_add_time(struct json_object *o, const char *key, const struct model *m, uint64_t ns)
{
	if (ns)
		json_add_number(o, key, text_real_ns(m, ns));
	else
		json_add(o, key, NULL);
}

void json_add_path(struct json_object *o, const char *key, const char *path)
{
	char *repaired = repair_utf8(path), *hex, hex_key[64];

	json_add(o, key, *path ? json_object_new_string(repaired ? repaired : path) : NULL);
	hex = repaired ? malloc(2 * strlen(path) + 1) : NULL;
	for (size_t i = 0; hex && path[i]; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)path[i]);
	snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
	if (hex)
		json_add_text(o, hex_key, hex);
	free(hex);
	free(repaired);
}

void json_add_pid(struct json_object *o, const char *key, const struct model *m, uint32_t process)
{
	if (process == MODEL_NONE)
		json_add(o, key, NULL);
	else
		json_add_int(o, key, m->processes.items[process].pid);
}

struct json_object *json_frames(struct view *v, uint32_t stack)
{
	static const char *const kinds[] = {"call", "inline", "signal"};
	struct json_object *frames = json_object_new_array();
	const struct model_stack *s;

	if (!view_resolve(v, stack))
		return frames;
	s = &v->model->stacks.items[stack];
	for (uint32_t i = 0; i < s->frame_count; i++) {
		const struct model_frame *f = &v->model->frames.items[s->first_frame + i];
		struct json_object *o = json_object_new_object();

		json_add_text(o, "kind", kinds[f->kind]);
		if (f->kind == FRAME_CALL)
			json_add_hex(o, "address", f->pc);
		else
			json_add(o, "address", NULL);
		json_add_text(o, "function", f->function);
		json_add_text(o, "arguments", f->arguments);
		json_add_text(o, "file", f->file);
		json_add_int(o, "line", f->line);
		json_add_text(o, "module", f->module);
		json_object_array_add(frames, o);
	}
	return frames;
}

/* Of processes that are not recorded only those are asked who they are whose threads are looked at.
 */
static void add_identity(struct json_object *o, const struct model_process *p)
{
	if (p->state == PROCESS_LIVE && !p->has_segment && !p->start_time) {
		json_add(o, "ppid", NULL);
		json_add(o, "start_time", NULL);
		json_add(o, "uid", NULL);
		json_add(o, "cmdline", NULL);
		return;
	}
	json_add_int(o, "ppid", p->ppid);
	json_add_number(o, "start_time", p->start_time);
	json_add_number(o, "uid", p->uid);
	json_add_text(o, "cmdline", p->cmdline);
}

struct json_object *json_processes(const struct view *v)
{
	static const char *const states[] = {"live",   "exited", "killed",
					     "execed", "dumped", "detached"};
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < v->model->processes.count; i++) {
		const struct model_process *p = &v->model->processes.items[i];
		struct json_object *o = json_object_new_object();
		char text[TEXT_SIZE];

		json_add_int(o, "pid", p->pid);
		if (p->ns_pid)
			json_add_int(o, "ns_pid", p->ns_pid);
		else
			json_add(o, "ns_pid", NULL);
		json_add_path(o, "root", p->root ? p->root : "");
		add_identity(o, p);
		json_add_number(o, "image", p->image);
		json_add_text(o, "state", states[p->state]);
		if (p->state == PROCESS_EXITED)
			json_add_int(o, "exit_status", p->exit_status);
		else
			json_add(o, "exit_status", NULL);
		json_add_text(o, "killed_by",
			      p->killed_by ? text_signal(text, p->killed_by) : NULL);
		json_add_text(o, "name", p->name);
		json_add_path(o, "exe", p->exe);
		json_add_bool(o, "recorded", p->has_segment);
		json_add_number(o, "deliveries", p->deliveries);
		json_add_time(o, "ended_ns", v->model, p->ended_ns);
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *json_findings(struct view *v)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < v->model->findings.count; i++) {
		struct model_finding f = v->model->findings.items[i];
		const struct finding_info *info = finding_info(f.kind);
		struct json_object *o = json_object_new_object();
		struct json_object *pids = json_object_new_array();
		struct json_object *stacks = json_object_new_array();
		char signal_name[TEXT_SIZE];

		for (uint32_t j = 0; j < FINDING_PIDS && j < f.process_count; j++)
			if (f.processes[j] != MODEL_NONE)
				json_object_array_add(
					pids,
					json_object_new_int(
						v->model->processes.items[f.processes[j]].pid));
		for (uint32_t j = 0; j < FINDING_STACKS && j < f.stack_count; j++) {
			struct json_object *s = json_object_new_object();

			json_add_text(s, "label", f.stacks[j].label);
			json_add(s, "frames", json_frames(v, f.stacks[j].stack));
			json_object_array_add(stacks, s);
		}
		json_add_text(o, "kind", info->id);
		json_add_text(o, "severity", severity_name(f.severity));
		json_add_text(o, "title", info->title);
		json_add_text(o, "headline", f.headline);
		json_add_text(o, "function", f.function);
		json_add_text(o, "handler", f.handler);
		json_add_text(o, "signal", f.signo ? text_signal(signal_name, f.signo) : NULL);
		json_add_text(o, "explanation", info->explanation);
		json_add_text(o, "evidence", f.evidence);
		json_add_text(o, "advice", info->advice);
		json_add(o, "pids", pids);
		json_add_number(o, "process_count", f.process_count);
		json_add_number(o, "count", f.count);
		json_add_time(o, "first_ns", v->model, f.first_ns);
		json_add_time(o, "last_ns", v->model, f.last_ns);
		json_add(o, "stacks", stacks);
		json_add(o, "held", json_held(v, f.held, f.held_count));
		json_object_array_add(array, o);
	}
	return array;
}
