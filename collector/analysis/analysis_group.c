/*
 * What is the same in different processes: two thousand equal servers have one finding, not two
 * thousand. Addresses differ from process to process and are never compared.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "collector/analysis/analysis_detect.h"

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a == b ? 0 : a < b ? -1 : 1;
}

int analysis_compare_programs(const struct model *m, uint32_t a, uint32_t b)
{
	if (a == b)
		return 0;
	if (a == MODEL_NONE || b == MODEL_NONE)
		return compare_numbers(a, b);
	const struct model_process *p = &m->processes.items[a], *q = &m->processes.items[b];
	int order = compare_texts(p->exe, q->exe);

	/* Whose program is not known is not known to be the same. */
	if (!order && (!p->exe || !p->exe[0]))
		order = compare_numbers(a, b);
	return order;
}

static bool is_nameless(const struct model_handler *h)
{
	return !h->function && !h->module;
}

int analysis_compare_handlers(const struct model *m, uint32_t a, uint32_t b)
{
	if (a == b)
		return 0;
	if (a == MODEL_NONE || b == MODEL_NONE)
		return compare_numbers(a, b);
	const struct model_handler *h = &m->handlers.items[a], *i = &m->handlers.items[b];
	int order = compare_texts(h->function, i->function);

	if (!order)
		order = compare_texts(h->file, i->file);
	if (!order)
		order = compare_texts(h->module, i->module);
	if (!order)
		order = compare_numbers(h->offset, i->offset);
	if (order || !is_nameless(h))
		return order;
	order = compare_numbers(h->process, i->process);
	return order ? order : compare_numbers(h->address, i->address);
}

int analysis_compare_dispositions(const struct model *m, uint32_t a, uint32_t b)
{
	const struct model_handler *h = &m->handlers.items[a], *i = &m->handlers.items[b];
	int order = (h->signo > i->signo) - (h->signo < i->signo);

	if (!order)
		order = analysis_compare_programs(m, h->process, i->process);
	return order ? order : analysis_compare_handlers(m, a, b);
}

struct grouping {
	const struct model *m;
	analysis_compare *compare;
};

static int compare_items(const void *x, const void *y, void *data)
{
	const struct grouping *g = data;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	int order = g->compare(g->m, a, b);

	return order ? order : compare_numbers(a, b);
}

void analysis_group(struct model *m, uint32_t *items, uint32_t count, analysis_compare *compare,
		    analysis_report *report)
{
	struct grouping g = {m, compare};

	qsort_r(items, count, sizeof(*items), compare_items, &g);
	for (uint32_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && !compare(m, items[i], items[end]);)
			end++;
		report(m, &items[i], end - i);
	}
}

bool analysis_is_same_process(const struct model *m, uint32_t a, uint32_t b)
{
	if (a == b || a == MODEL_NONE || b == MODEL_NONE)
		return a == b;
	const struct model_process *p = &m->processes.items[a], *q = &m->processes.items[b];

	return p->pid == q->pid && p->start_time && p->start_time == q->start_time;
}

const char *analysis_processes_text(struct model *m, const struct model_finding *f)
{
	const char *first = analysis_process_text(m, f->processes[0]);
	unsigned more = f->process_count > 1 ? f->process_count - 1 : 0;

	return more ? model_stringf(m, "%s and %u more process%s", first, more,
				    more == 1 ? "" : "es")
		    : first;
}
