/*
 * JSON: one object per command, as docs/json.md describes it.
 */
#include "config.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/render.h"
#include "cli/text.h"

static void add_note(struct json_object *array, const char *text, uint64_t count)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "text", text);
	json_add_number(o, "count", count);
	json_object_array_add(array, o);
}

static struct json_object *notes_array(const struct view *v)
{
	struct json_object *array = json_object_new_array();
	const struct model *m = v->model;

	for (uint32_t i = 0; i < m->notes.count; i++)
		add_note(array, m->notes.items[i].text, m->notes.items[i].count);
	if (v->backtraces_left_out)
		add_note(array,
			 "a holder that blocks others has no backtrace here (--all gives all)",
			 v->backtraces_left_out);
	if (v->threads_left_out)
		add_note(array, "a thread of the core has no backtrace here (--all gives all)",
			 v->threads_left_out);
	return array;
}

static struct json_object *backtraces_array(struct view *v)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < v->backtrace_count; i++) {
		struct view_backtrace b = v->backtraces[i];
		struct json_object *o = json_object_new_object();

		json_add_pid(o, "pid", v->model, b.process);
		if (b.thread == MODEL_NONE)
			json_add(o, "tid", NULL);
		else
			json_add_int(o, "tid", v->model->threads.items[b.thread].tid);
		json_add_text(o, "of", b.kind == BACKTRACE_TAKEN ? "taken" : "now");
		json_add_text(o, "name",
			      b.thread == MODEL_NONE ? NULL
						     : v->model->threads.items[b.thread].name);
		json_add_text(o, "doing", b.doing);
		json_add(o, "frames", json_frames(v, b.stack));
		json_add_number(o, "frames_left_out", v->model->stacks.items[b.stack].left_out);
		json_add_time(o, "seen_ns", v->model, v->model->stacks.items[b.stack].seen_ns);
		json_add_text(o, "incomplete", v->model->stacks.items[b.stack].stopped);
		json_add_number(o, "stood_ns", v->model->stacks.items[b.stack].stood_ns);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *events_array(const struct view *v)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < v->model->events.count; i++) {
		const struct model_event *e = &v->model->events.items[i];
		struct json_object *o = json_object_new_object();

		json_add_pid(o, "pid", v->model, e->process);
		json_add_int(o, "tid", e->tid);
		json_add_time(o, "time_ns", v->model, e->ns);
		json_add_text(o, "text", e->text);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *core_object(const struct model *m)
{
	struct json_object *o = json_object_new_object();

	json_add_path(o, "file", m->core.path);
	json_add_pid(o, "pid", m, m->core.process);
	json_add_int(o, "tid", m->threads.items[m->core.thread].tid);
	json_add_int(o, "threads", m->core.thread_count);
	json_add_int(o, "signo", m->core.signo);
	json_add_text(o, "signal", m->core.signal);
	return o;
}

static struct json_object *sampling_object(const struct model *m)
{
	struct json_object *o = json_object_new_object();

	json_add_number(o, "interval_ns", m->sampling.interval_ns);
	json_add_number(o, "last_look_ns", m->sampling.last_real_ns);
	json_add_number(o, "late", m->sampling.late);
	json_add_number(o, "longest_gap_ns", m->sampling.gap_ns);
	json_add_number(o, "processes", m->sampling.processes);
	return o;
}

static struct json_object *new_document(const struct view *v)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "format_version", JSON_FORMAT_VERSION);
	json_add_text(o, "lockjam", PACKAGE_VERSION);
	json_add_text(o, "command", v->command);
	json_add_text(o, "dir", v->dir);
	json_add_bool(o, "live", v->model->is_live);
	if (v->model->core.path)
		json_add(o, "core", core_object(v->model));
	if (v->model->sampling.interval_ns)
		json_add(o, "sampling", sampling_object(v->model));
	json_add_number(o, "time_ns", v->model->now_real_ns);
	return o;
}

/* The parts that every command has; findings and locks resolve stacks, so notes come last. */
static void add_common(struct view *v, struct json_object *o)
{
	json_add(o, "processes", json_processes(v));
	json_add(o, "locks", json_locks(v));
	json_add(o, "waits", json_waits(v));
	json_add(o, "findings", json_findings(v));
	json_add(o, "backtraces", backtraces_array(v));
	json_add(o, "notes", notes_array(v));
}

static void print_document(const struct view *v, struct json_object *o)
{
	fputs(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							JSON_C_TO_STRING_NOSLASHESCAPE),
	      v->out);
	fputc('\n', v->out);
	json_object_put(o);
}

static void render_graph(struct view *v)
{
	struct json_object *o = new_document(v);

	add_common(v, o);
	print_document(v, o);
}

static void render_report(struct view *v)
{
	struct json_object *o = new_document(v);

	add_common(v, o);
	json_add(o, "signals", json_signals(v));
	json_add(o, "events", events_array(v));
	print_document(v, o);
}

static void render_stacks(struct view *v)
{
	render_graph(v);
}

static void render_signals(struct view *v)
{
	struct json_object *o = new_document(v);

	add_common(v, o);
	json_add(o, "signals", json_signals(v));
	json_add(o, "dispositions", json_dispositions(v));
	print_document(v, o);
}

static void render_why(struct view *v, const struct chain *c)
{
	struct json_object *o = new_document(v);

	json_add(o, "why", json_why(v, c));
	add_common(v, o);
	print_document(v, o);
}

const struct renderer render_json = {
	.name = "json",
	.graph = render_graph,
	.report = render_report,
	.stacks = render_stacks,
	.signals = render_signals,
	.why = render_why,
};
