/* A segment's records of the order in which locks were taken: see preload/segment.h and model.h. */
#include "config.h"

#include "collector/source/segment_import.h"

static bool order_is_sane(const struct importer *im, uint8_t kind, uint8_t mode, uint32_t resource)
{
	return kind >= SEG_LOCK_POSIX && kind <= SEG_LOCK_FLOCK &&
	       (mode == SEG_MODE_READ || mode == SEG_MODE_WRITE) &&
	       import_mapped(im, SEG_RESOURCES, resource) != MODEL_NONE;
}

/* What it is under was written before it, so chains end. */
void import_holding(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_holding *r = record;
	uint32_t under = r->under < index ? import_mapped(im, SEG_HOLDINGS, r->under) : MODEL_NONE;

	if (!order_is_sane(im, r->kind, r->mode, r->resource) || r->start > r->end ||
	    (r->under && under == MODEL_NONE)) {
		im->damaged++;
		return;
	}
	uint32_t stack = import_stack(im, r->stack), i = model_add_holding(im->m);

	if (i == MODEL_NONE)
		return;
	im->m->holdings.items[i] = (struct model_holding){
		.process = im->process,
		.under = under,
		.resource = import_mapped(im, SEG_RESOURCES, r->resource),
		.kind = import_lock_kinds[r->kind],
		.mode = r->mode == SEG_MODE_WRITE ? MODE_WRITE : MODE_READ,
		.start = r->start,
		.end = r->end,
		.ofd = r->ofd,
		.stack = stack,
	};
	im->map[SEG_HOLDINGS][index - 1] = i;
}

void import_edge(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_edge *r = record;
	uint32_t held = import_mapped(im, SEG_HOLDINGS, r->held);

	(void)index;
	if (!order_is_sane(im, r->kind, r->mode, r->resource) || r->start > r->end ||
	    held == MODEL_NONE || !r->count) {
		im->damaged++;
		return;
	}
	uint32_t stack = import_stack(im, r->stack), i = model_add_edge(im->m);

	if (i == MODEL_NONE)
		return;
	im->m->edges.items[i] = (struct model_edge){
		.process = im->process,
		.thread = import_mapped(im, SEG_THREADS, r->thread),
		.by = r->thread,
		.by_other = r->other_thread,
		.held = held,
		.is_cut = r->flags & SEG_EDGE_CUT,
		.resource = import_mapped(im, SEG_RESOURCES, r->resource),
		.kind = import_lock_kinds[r->kind],
		.mode = r->mode == SEG_MODE_WRITE ? MODE_WRITE : MODE_READ,
		.start = r->start,
		.end = r->end,
		.ofd = r->ofd,
		.stack = stack,
		.count = r->count,
		.first_ns = r->first_ns + im->shift_ns,
		.last_ns = r->last_ns + im->shift_ns,
	};
	import_saw_time(im, r->last_ns);
}
