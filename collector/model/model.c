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
	free(m->waits.items);
	free(m->needs.items);
	free(m->ways.items);
	free(m->holdings.items);
	free(m->edges.items);
	free(m->losses.items);
	free(m->stacks.items);
	free(m->frames.items);
	free(m->handlers.items);
	free(m->interruptions.items);
	free(m->uses.items);
	free(m->signals.items);
	free(m->zombies.items);
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

	if (i != MODEL_NONE) {
		m->resources.items[i].path = "";
		m->resources.items[i].process = MODEL_NONE;
	}
	return i;
}

uint32_t model_add_lock(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, locks);

	if (i != MODEL_NONE) {
		struct model_lock *l = &m->locks.items[i];
		l->resource = l->process = l->thread = l->stack = l->blocker = l->next_copy =
			l->use = MODEL_NONE;
		l->fd = -1;
	}
	return i;
}

uint32_t model_add_wait(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, waits);

	if (i != MODEL_NONE) {
		struct model_wait *w = &m->waits.items[i];
		w->process = w->thread = w->lock = w->stuck_need = w->stuck_by = MODEL_NONE;
		w->first_need = m->needs.count;
		w->object = "";
	}
	return i;
}

uint32_t model_add_need(struct model *m, uint32_t wait)
{
	uint32_t i = ARRAY_ADD(m, needs);

	if (i != MODEL_NONE) {
		m->needs.items[i].hold = MODEL_NONE;
		m->needs.items[i].first_way = m->ways.count;
		m->waits.items[wait].need_count++;
	}
	return i;
}

uint32_t model_add_way(struct model *m, uint32_t need)
{
	uint32_t i = ARRAY_ADD(m, ways);

	if (i != MODEL_NONE) {
		m->ways.items[i].process = m->ways.items[i].thread = MODEL_NONE;
		m->needs.items[need].way_count++;
	}
	return i;
}

uint32_t model_add_holding(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, holdings);

	if (i != MODEL_NONE) {
		struct model_holding *h = &m->holdings.items[i];
		h->process = h->under = h->resource = h->stack = MODEL_NONE;
	}
	return i;
}

uint32_t model_add_edge(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, edges);

	if (i != MODEL_NONE) {
		struct model_edge *e = &m->edges.items[i];
		e->process = e->thread = e->held = e->resource = e->stack = MODEL_NONE;
	}
	return i;
}

uint32_t model_add_lost(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, losses);

	if (i != MODEL_NONE) {
		struct model_lost *l = &m->losses.items[i];
		l->process = l->resource = l->stack = l->lock_stack = l->other = MODEL_NONE;
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

uint32_t model_add_use(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, uses);

	if (i != MODEL_NONE) {
		struct model_use *u = &m->uses.items[i];
		u->process = u->thread = u->handler = u->stack = MODEL_NONE;
		u->file = "";
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

uint32_t model_add_zombie(struct model *m)
{
	uint32_t i = ARRAY_ADD(m, zombies);

	if (i != MODEL_NONE)
		m->zombies.items[i].parent = MODEL_NONE;
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
