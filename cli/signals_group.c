/*
 * Which handlers are alike, so that two thousand equal servers have one paragraph; and what the
 * unsafe calls of a handler interrupted. See signals.h.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "cli/signals.h"

/* By which functions two handlers called are compared: a sum of hashes of each, once. */
struct called {
	uint64_t functions;
	uint64_t seen[2]; /* bits of the hashes that are in it */
};

static uint64_t hash(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

static struct called *list_called(const struct model *m)
{
	struct called *called = calloc(m->handlers.count + (size_t)1, sizeof(*called));

	for (uint32_t i = 0; called && i < m->calls.count; i++) {
		const struct model_call *c = &m->calls.items[i];
		struct called *of = c->handler == MODEL_NONE ? NULL : &called[c->handler];
		uint64_t h = hash(c->function), a = UINT64_C(1) << (h & 63),
			 b = UINT64_C(1) << (h >> 6 & 63);

		if (!of || (of->seen[0] & a && of->seen[1] & b))
			continue;
		of->seen[0] |= a;
		of->seen[1] |= b;
		of->functions += h;
	}
	return called;
}

static bool is_same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool is_alike(const struct model *m, uint32_t a, uint32_t b, const struct called *called)
{
	const struct model_handler *h = &m->handlers.items[a], *i = &m->handlers.items[b];
	const struct model_process *p = &m->processes.items[h->process],
				   *q = &m->processes.items[i->process];

	return h->signo == i->signo && h->flags == i->flags && h->mask == i->mask &&
	       h->is_current == i->is_current && h->was_reset == i->was_reset &&
	       h->offset == i->offset && h->module && is_same(h->module, i->module) &&
	       is_same(h->function, i->function) && is_same(p->exe, q->exe) &&
	       called[a].functions == called[b].functions;
}

struct handler_group *signals_groups(const struct model *m, const uint32_t *order, uint32_t *count)
{
	struct handler_group *groups = calloc(m->handlers.count + (size_t)1, sizeof(*groups));
	struct called *called = list_called(m);

	*count = 0;
	for (uint32_t i = 0; groups && called && i < m->handlers.count; i++) {
		uint32_t g = 0;

		while (g < *count && !is_alike(m, groups[g].handler, order[i], called))
			g++;
		if (g == *count) {
			groups[(*count)++].handler = order[i];
			continue;
		}
		groups[g].others++;
		groups[g].deliveries += m->handlers.items[order[i]].deliveries;
	}
	if (!called) {
		free(groups);
		groups = NULL;
	}
	free(called);
	return groups;
}

uint32_t signals_interrupted(const struct model *m, uint32_t handler, const char **functions,
			     uint32_t room)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->calls.count && count < room; i++) {
		const struct model_call *c = &m->calls.items[i];
		uint32_t j = 0;

		if (c->handler != handler || !c->interrupted)
			continue;
		while (j < count && strcmp(functions[j], c->interrupted))
			j++;
		if (j == count)
			functions[count++] = c->interrupted;
	}
	return count;
}
