/*
 * Signals as JSON: the recorded handlers, and what the kernel tells of each process.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "collector/arch/blocking_call.h"
#include "collector/arch/syscall_name.h"
#include "collector/model/findings.h"

#define INTERRUPTED_MAX 16

static struct json_object *calls_array(const struct model *m, uint32_t handler)
{
	struct json_object *array = json_object_new_array();
	uint32_t count;
	struct handler_call *calls = signals_calls(m, handler, false, &count);

	for (uint32_t i = 0; i < count; i++) {
		struct json_object *o = json_object_new_object();

		json_add_text(o, "function", calls[i].function);
		json_add_number(o, "count", calls[i].count);
		json_add_number(o, "in_interrupted_allocator", calls[i].reentered);
		json_add_text(o, "why", calls[i].why);
		json_add_bool(o, "safe_in_libc", calls[i].is_safe_in_libc);
		json_object_array_add(array, o);
	}
	free(calls);
	return array;
}

static struct json_object *jumps_array(const struct model *m, uint32_t handler)
{
	struct json_object *array = json_object_new_array();
	uint32_t count;
	struct handler_call *jumps = signals_calls(m, handler, true, &count);

	for (uint32_t i = 0; i < count; i++) {
		struct json_object *o = json_object_new_object();

		json_add_text(o, "function", jumps[i].function);
		json_add_number(o, "count", jumps[i].count);
		json_object_array_add(array, o);
	}
	free(jumps);
	return array;
}

static struct json_object *interruption_object(const struct model_interruption *x)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "call", syscall_name(x->syscall));
	if (syscall_has_descriptor(x->syscall) && (int)x->args[0] >= 0)
		json_add_int(o, "fd", (int)x->args[0]);
	else
		json_add(o, "fd", NULL);
	return o;
}

/* The calls that it ended with EINTR. */
static struct json_object *endings_array(struct view *v, uint32_t handler)
{
	const struct model *m = v->model;
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		const struct model_interruption x = m->interruptions.items[i];
		struct json_object *o;

		if (x.handler != handler || !x.ended || !syscall_name(x.syscall))
			continue;
		o = interruption_object(&x);
		json_add_number(o, "count", x.ended);
		json_add_number(o, "acted", x.ended_acted);
		json_add_time(o, "last_ns", m, x.ended_ns);
		if (x.limit_ns == MODEL_NO_LIMIT)
			json_add(o, "limit_ns", NULL);
		else
			json_add_number(o, "limit_ns", x.limit_ns);
		json_add(o, "frames", json_frames(v, x.stack));
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *interruptions_array(struct view *v, uint32_t handler)
{
	const struct model *m = v->model;
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		const struct model_interruption x = m->interruptions.items[i];
		const uint64_t args[6] = {x.args[0], x.args[1]};
		const struct blocking_call *call = blocking_call_find(x.syscall, args);
		struct json_object *o;

		if (x.handler != handler || !call || !x.count)
			continue;
		o = interruption_object(&x);
		json_add_bool(o, "restarts", call->restart == CALL_RESTARTS);
		json_add_number(o, "count", x.count);
		json_add_number(o, "acted", x.acted);
		json_add_number(o, "waited_ns", x.waited_ns);
		json_add_time(o, "first_ns", m, x.first_ns);
		json_add_time(o, "last_ns", m, x.last_ns);
		json_add(o, "frames", json_frames(v, x.stack));
		json_object_array_add(array, o);
	}
	return array;
}

/* The functions that installed it. */
static struct json_object *ways_array(uint32_t ways)
{
	struct json_object *array = ways ? json_object_new_array() : NULL;

	for (uint32_t way = 1; way <= WAYS_KNOWN; way <<= 1)
		if (ways & way)
			json_object_array_add(array, json_object_new_string(signals_way(way)));
	return array;
}

/* By name; null where it never changed. */
static void add_errno(struct json_object *o, const char *key, const struct model_handler *h,
		      int number)
{
	char text[TEXT_SIZE];

	json_add_text(o, key, h->errno_clobbered ? signals_errno(text, number) : NULL);
}

/* "write, kill" as an array. */
static struct json_object *words_array(const char *words)
{
	struct json_object *array = json_object_new_array();

	while (words && *words) {
		int length = (int)strcspn(words, ",");

		json_object_array_add(array, json_object_new_string_len(words, length));
		words += length + strspn(words + length, ", ");
	}
	return array;
}

static struct json_object *interrupted_array(const struct model *m, uint32_t handler)
{
	const char *functions[INTERRUPTED_MAX];
	uint32_t count = signals_interrupted(m, handler, functions, INTERRUPTED_MAX);
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < count; i++)
		json_object_array_add(array, json_object_new_string(functions[i]));
	return array;
}

/* Those of the array `findings` that are about the handler: their kinds. */
static struct json_object *findings_array(const struct model *m, uint32_t handler)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];
		struct json_object *o;

		if (!signals_is_about(m, f, handler))
			continue;
		o = json_object_new_object();
		json_add_text(o, "kind", finding_info(f->kind)->id);
		json_add_text(o, "severity", severity_name(f->severity));
		json_add_text(o, "headline", f->headline);
		json_object_array_add(array, o);
	}
	return array;
}

static struct json_object *handler_object(struct view *v, uint32_t handler)
{
	const struct model *m = v->model;
	const struct model_handler copy = m->handlers.items[handler], *h = &copy;
	struct json_object *o = json_object_new_object();
	char text[1024];

	json_add_pid(o, "pid", m, h->process);
	json_add_text(o, "signal", text_signal(text, h->signo));
	json_add_int(o, "signo", h->signo);
	json_add_hex(o, "address", h->address);
	json_add_text(o, "function", h->function);
	json_add_text(o, "file", h->file);
	json_add_int(o, "line", h->line);
	json_add_text(o, "module", h->module);
	json_add_text(o, "flags", signals_flags(text, sizeof(text), h->flags));
	json_add_text(o, "mask", signals_mask(text, sizeof(text), h->mask));
	json_add_bool(o, "current", h->is_current);
	json_add_number(o, "installs", h->installs);
	json_add(o, "installed_with", ways_array(h->ways));
	json_add_number(o, "deliveries", h->deliveries);
	json_add_number(o, "by_user", h->by_user);
	json_add_number(o, "by_timer", h->by_timer);
	json_add_number(o, "by_kernel", h->by_kernel);
	json_add_int(o, "last_sender", h->last_sender);
	json_add_text(o, "last_sender_name", h->sender_name);
	json_add_number(o, "max_depth", h->max_depth);
	json_add_number(o, "total_ns", h->total_ns);
	json_add_number(o, "max_ns", h->max_ns);
	json_add_time(o, "first_ns", m, h->first_ns);
	json_add_time(o, "last_ns", m, h->last_ns);
	json_add_number(o, "errno_changed", h->errno_clobbered);
	add_errno(o, "errno_before", h, h->errno_before);
	add_errno(o, "errno_after", h, h->errno_after);
	json_add_bool(o, "reset", h->was_reset);
	json_add(o, "calls", calls_array(m, handler));
	json_add(o, "safe_calls", words_array(h->safe_calls));
	json_add(o, "calls_interrupted", interrupted_array(m, handler));
	json_add(o, "findings", findings_array(m, handler));
	json_add(o, "jumps", jumps_array(m, handler));
	json_add(o, "interrupted_locks", json_interrupted_locks(v, handler));
	json_add(o, "interruptions", interruptions_array(v, handler));
	json_add(o, "endings", endings_array(v, handler));
	json_add(o, "installed", json_frames(v, h->stack));
	return o;
}

struct json_object *json_signals(struct view *v)
{
	struct json_object *array = json_object_new_array();
	uint32_t *order = signals_order(v->model);

	for (uint32_t i = 0; order && i < v->model->handlers.count; i++)
		json_object_array_add(array, handler_object(v, order[i]));
	free(order);
	return array;
}

static struct json_object *thread_signals(const struct model_thread *t, uint64_t caught)
{
	const struct blocking_call *call =
		t->syscall < 0 ? NULL : blocking_call_find(t->syscall, t->syscall_args);
	struct json_object *o = json_object_new_object();
	char text[1024];

	json_add_int(o, "tid", t->tid);
	json_add_text(o, "blocked", signals_mask(text, sizeof(text), t->blocked));
	json_add_text(o, "pending", signals_mask(text, sizeof(text), t->pending));
	json_add_text(o, "can_take", signals_mask(text, sizeof(text), caught & ~t->blocked));
	json_add_text(o, "call", call ? syscall_name(call->number) : NULL);
	if (call)
		json_add_bool(o, "restarts", call->restart == CALL_RESTARTS);
	else
		json_add(o, "restarts", NULL);
	return o;
}

/* Children that have ended and were not waited for. */
static struct json_object *unreaped_array(const struct model *m, uint32_t process)
{
	struct json_object *array = json_object_new_array();

	for (uint32_t i = 0; i < m->zombies.count; i++) {
		const struct model_zombie *z = &m->zombies.items[i];
		struct json_object *o;

		if (z->parent != process)
			continue;
		o = json_object_new_object();
		json_add_int(o, "pid", z->pid);
		json_add_text(o, "name", z->name);
		json_add_time(o, "ended_ns", m, z->ended_ns);
		json_object_array_add(array, o);
	}
	return array;
}

struct json_object *json_dispositions(const struct view *v)
{
	const struct model *m = v->model;
	struct json_object *array = json_object_new_array();
	uint32_t *order = signals_process_order(m);
	char text[1024];

	for (uint32_t i = 0; order && i < m->signals.count; i++) {
		const struct model_signals *s = &m->signals.items[order[i]];
		const struct model_held_back *held = &m->processes.items[s->process].held_back;
		struct json_object *o = json_object_new_object();
		struct json_object *threads = json_object_new_array();

		json_add_pid(o, "pid", m, s->process);
		json_add_text(o, "caught", signals_mask(text, sizeof(text), s->caught));
		json_add_text(o, "ignored", signals_mask(text, sizeof(text), s->ignored));
		json_add_text(o, "pending", signals_mask(text, sizeof(text), s->pending));
		json_add_text(o, "stuck", signals_mask(text, sizeof(text), signals_stuck(m, s)));
		json_add_text(o, "held_back", signals_mask(text, sizeof(text), held->signals));
		json_add_number(o, "held_back_ns", held->last_ns - held->since_ns);
		json_add_number(o, "queued", s->queued);
		json_add_number(o, "queue_limit", s->queue_limit);
		for (uint32_t t = 0; t < m->threads.count; t++)
			if (m->threads.items[t].process == s->process &&
			    m->threads.items[t].has_signals)
				json_object_array_add(
					threads, thread_signals(&m->threads.items[t], s->caught));
		json_add(o, "threads", threads);
		json_add(o, "unreaped", unreaped_array(m, s->process));
		json_object_array_add(array, o);
	}
	free(order);
	return array;
}
