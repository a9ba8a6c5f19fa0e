/*
 * The model's arrays, strings and invariants. Allocates, and nothing else: no I/O, no clock.
 */
#include "config.h"

#include "collector/model/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STRING_BLOCK 65536 /* bytes; a longer string gets a block of its own */

struct model_string_block {
	struct model_string_block *next;
	size_t used, room;
	char text[];
};

/* Room for one more element, zeroed; its index or MODEL_NONE. */
static uint32_t array_add(struct model *m, void **items, uint32_t *count, uint32_t *room,
			  size_t size)
{
	if (*count == *room) {
		uint32_t new_room = *room ? *room * 2 : 16;
		void *grown = *room >= UINT32_MAX / 4 ? NULL : reallocarray(*items, new_room, size);
		if (!grown) {
			m->out_of_memory = true;
			return MODEL_NONE;
		}
		*items = grown;
		*room = new_room;
	}
	memset((char *)*items + *count * size, 0, size);
	return (*count)++;
}

#define ARRAY_ADD(m, array)                                                                        \
	array_add(m, (void **)&(m)->array.items, &(m)->array.count, &(m)->array.room,              \
		  sizeof((m)->array.items[0]))

struct model *model_new(void)
{
	return calloc(1, sizeof(struct model));
}

void model_free(struct model *m)
{
	if (!m)
		return;
	free(m->processes.items);
	free(m->threads.items);
	free(m->resources.items);
	free(m->locks.items);
	free(m->stacks.items);
	free(m->frames.items);
	free(m->handlers.items);
	free(m->interruptions.items);
	free(m->signals.items);
	free(m->calls.items);
	free(m->findings.items);
	free(m->events.items);
	free(m->notes.items);
	for (struct model_string_block *b = m->strings, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(m);
}

static char *string_room(struct model *m, size_t size)
{
	struct model_string_block *b = m->strings;

	if (!b || b->room - b->used < size) {
		size_t room = size > STRING_BLOCK ? size : STRING_BLOCK;

		b = malloc(sizeof(*b) + room);
		if (!b) {
			m->out_of_memory = true;
			return NULL;
		}
		b->used = 0;
		b->room = room;
		b->next = m->strings;
		m->strings = b;
	}
	b->used += size;
	return b->text + b->used - size;
}

const char *model_string(struct model *m, const char *text)
{
	size_t size = strlen(text) + 1;

	if (size == 1)
		return "";
	char *copy = string_room(m, size);

	return copy ? memcpy(copy, text, size) : "";
}

static const char *string_format(struct model *m, const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0) {
		m->out_of_memory = true;
		return "";
	}
	const char *copy = model_string(m, text);

	free(text);
	return copy;
}

const char *model_stringf(struct model *m, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	const char *text = string_format(m, format, arguments);
	va_end(arguments);
	return text;
}

uint32_t model_add_process(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, processes);

	if (i != MODEL_NONE) {
		struct model_process *p = &m->processes.items[i];
		p->exe = p->name = p->cmdline = "";
	}
	return i;
}

uint32_t model_add_thread(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, threads);

	if (i != MODEL_NONE) {
		struct model_thread *t = &m->threads.items[i];
		t->process = t->call = t->stack = MODEL_NONE;
		t->syscall = -1;
	}
	return i;
}

uint32_t model_add_resource(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, resources);

	if (i != MODEL_NONE)
		m->resources.items[i].path = "";
	return i;
}

uint32_t model_add_lock(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, locks);

	if (i != MODEL_NONE) {
		struct model_lock *l = &m->locks.items[i];
		l->resource = l->process = l->thread = l->stack = l->blocker = l->next_copy =
			MODEL_NONE;
		l->fd = -1;
	}
	return i;
}

uint32_t model_add_stack(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, stacks);

	if (i != MODEL_NONE) {
		struct model_stack *s = &m->stacks.items[i];
		s->process = s->thread = s->raw = s->first_frame = MODEL_NONE;
	}
	return i;
}

uint32_t model_add_frame(struct model *m)
{
	return ARRAY_ADD(m, frames);
}

uint32_t model_add_handler(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, handlers);

	if (i != MODEL_NONE)
		m->handlers.items[i].process = m->handlers.items[i].stack = MODEL_NONE;
	return i;
}

uint32_t model_add_interruption(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, interruptions);

	if (i != MODEL_NONE) {
		struct model_interruption *x = &m->interruptions.items[i];

		x->process = x->handler = x->thread = x->stack = MODEL_NONE;
	}
	return i;
}

uint32_t model_add_signals(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, signals);

	if (i != MODEL_NONE)
		m->signals.items[i].process = MODEL_NONE;
	return i;
}

uint32_t model_add_call(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, calls);

	if (i != MODEL_NONE) {
		struct model_call *c = &m->calls.items[i];
		c->process = c->thread = c->handler = c->stack = MODEL_NONE;
		c->function = "";
	}
	return i;
}

uint32_t model_add_finding(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, findings);

	if (i != MODEL_NONE) {
		struct model_finding *f = &m->findings.items[i];
		f->headline = "";
		for (int n = 0; n < FINDING_PIDS; n++)
			f->processes[n] = MODEL_NONE;
		for (int n = 0; n < FINDING_STACKS; n++)
			f->stacks[n].stack = MODEL_NONE;
	}
	return i;
}

uint32_t model_add_event(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, events);

	if (i != MODEL_NONE) {
		m->events.items[i].process = MODEL_NONE;
		m->events.items[i].text = "";
	}
	return i;
}

void model_note(struct model *m, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	const char *text = string_format(m, format, arguments);
	va_end(arguments);
	for (uint32_t i = 0; i < m->notes.count; i++) {
		if (!strcmp(m->notes.items[i].text, text)) {
			m->notes.items[i].count++;
			return;
		}
	}
	uint32_t i = ARRAY_ADD(m, notes);

	if (i != MODEL_NONE)
		m->notes.items[i] = (struct model_note){.text = text, .count = 1};
}

uint32_t model_find_process(const struct model *m, pid_t pid, uint64_t start_time)
{
	for (uint32_t i = 0; i < m->processes.count; i++) {
		const struct model_process *p = &m->processes.items[i];

		if (p->pid == pid && !process_is_past(p->state) &&
		    (!start_time || !p->start_time || p->start_time == start_time))
			return i;
	}
	return MODEL_NONE;
}

uint32_t model_find_thread(const struct model *m, uint32_t process, pid_t tid)
{
	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].process == process && m->threads.items[i].tid == tid)
			return i;
	return MODEL_NONE;
}

uint32_t model_find_resource(const struct model *m, uint64_t dev, uint64_t ino)
{
	for (uint32_t i = 0; i < m->resources.count; i++)
		if (m->resources.items[i].dev == dev && m->resources.items[i].ino == ino)
			return i;
	return MODEL_NONE;
}

static bool is_index(uint32_t index, uint32_t count)
{
	return index == MODEL_NONE || index < count;
}

static const char *check_blocker(const struct model *m, const struct model_lock *l)
{
	if (l->blocker == MODEL_NONE)
		return NULL;
	if (l->state == LOCK_HELD)
		return "a hold has a blocker";
	uint32_t at = l->blocker;

	for (uint32_t steps = 0; at != MODEL_NONE; steps++) {
		if (at >= m->locks.count)
			return "a lock's blocker is out of range";
		const struct model_lock *b = &m->locks.items[at];

		if (b->resource != l->resource)
			return "a blocker stands on another resource";
		if (b == l || steps > m->locks.count)
			return "a chain of blockers does not end";
		at = b->blocker;
	}
	return NULL;
}

static const char *check_copies(const struct model *m, const struct model_lock *l)
{
	uint32_t steps = 0;

	for (uint32_t at = l->next_copy; at != MODEL_NONE; at = m->locks.items[at].next_copy) {
		if (at >= m->locks.count || steps++ > m->locks.count)
			return "a chain of copies does not end";
		if (!m->locks.items[at].is_copy || m->locks.items[at].resource != l->resource)
			return "what is no copy stands in a chain of copies";
	}
	return NULL;
}

static const char *check_lock(const struct model *m, const struct model_lock *l)
{
	if (l->resource >= m->resources.count)
		return "a lock has no resource";
	if (!is_index(l->process, m->processes.count) || !is_index(l->thread, m->threads.count) ||
	    !is_index(l->stack, m->stacks.count))
		return "a lock's index is out of range";
	if (l->thread != MODEL_NONE && m->threads.items[l->thread].process != l->process)
		return "a lock's thread belongs to another process";
	if (l->start > l->end)
		return "a lock ends before it starts";
	if (l->state == LOCK_POLLING && !l->tries)
		return "a polling waiter never tried";
	const char *wrong = check_copies(m, l);

	return wrong ? wrong : check_blocker(m, l);
}

static const char *check_stacks(const struct model *m)
{
	for (uint32_t i = 0; i < m->stacks.count; i++) {
		const struct model_stack *s = &m->stacks.items[i];

		if (!is_index(s->process, m->processes.count) ||
		    !is_index(s->thread, m->threads.count))
			return "a stack's index is out of range";
		if (s->frame_count && (s->first_frame > m->frames.count ||
				       s->frame_count > m->frames.count - s->first_frame))
			return "a stack's frames lie outside the frames";
	}
	for (uint32_t i = 0; i < m->frames.count; i++)
		if (m->frames.items[i].kind == FRAME_INLINE && m->frames.items[i].pc)
			return "an inlined frame has an address";
	return NULL;
}

static const char *check_calls(const struct model *m)
{
	for (uint32_t i = 0; i < m->handlers.count; i++) {
		const struct model_handler *h = &m->handlers.items[i];

		if (h->process >= m->processes.count || !is_index(h->stack, m->stacks.count))
			return "a handler's index is out of range";
	}
	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		const struct model_interruption *x = &m->interruptions.items[i];

		if (x->process >= m->processes.count || x->handler >= m->handlers.count ||
		    !is_index(x->thread, m->threads.count) || !is_index(x->stack, m->stacks.count))
			return "an interruption's index is out of range";
	}
	for (uint32_t i = 0; i < m->signals.count; i++)
		if (m->signals.items[i].process >= m->processes.count)
			return "signals of no process";
	for (uint32_t i = 0; i < m->calls.count; i++) {
		const struct model_call *c = &m->calls.items[i];

		if (c->process >= m->processes.count || !is_index(c->thread, m->threads.count) ||
		    !is_index(c->handler, m->handlers.count) ||
		    !is_index(c->stack, m->stacks.count))
			return "a call's index is out of range";
	}
	return NULL;
}

static const char *check_findings(const struct model *m)
{
	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		for (int n = 0; n < FINDING_PIDS; n++)
			if (!is_index(f->processes[n], m->processes.count))
				return "a finding's process is out of range";
		for (int n = 0; n < FINDING_STACKS; n++)
			if (!is_index(f->stacks[n].stack, m->stacks.count))
				return "a finding's stack is out of range";
	}
	for (uint32_t i = 0; i < m->events.count; i++)
		if (!is_index(m->events.items[i].process, m->processes.count))
			return "an event's process is out of range";
	return NULL;
}

const char *model_check(const struct model *m)
{
	const char *wrong;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process >= m->processes.count || !is_index(t->call, m->calls.count))
			return "a thread's index is out of range";
	}
	for (uint32_t i = 0; i < m->locks.count; i++)
		if ((wrong = check_lock(m, &m->locks.items[i])))
			return wrong;
	if ((wrong = check_stacks(m)) || (wrong = check_calls(m)))
		return wrong;
	return check_findings(m);
}
