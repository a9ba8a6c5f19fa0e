/* A segment's records of what locks and handlers have to do with each other: see preload/segment.h.
 */
#include "config.h"

#include "collector/source/segment_import.h"

/* Reads the locks' table, once both are there: which requests were made in a handler. */
void import_use_of_lock(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_lock *r = record;
	uint32_t lock = import_mapped(im, SEG_LOCKS, index);

	if (lock != MODEL_NONE && r->state == SEG_LOCK_WAITING)
		im->m->locks.items[lock].use = import_mapped(im, SEG_USES, r->use);
}

static bool use_is_sane(const struct importer *im, const struct seg_use *r)
{
	return r->kind >= SEG_LOCK_POSIX && r->kind <= SEG_LOCK_LEASE &&
	       (r->mode == SEG_MODE_READ || r->mode == SEG_MODE_WRITE) && r->start <= r->end &&
	       import_mapped(im, SEG_RESOURCES, r->resource) != MODEL_NONE &&
	       (r->role == SEG_USE_TAKEN || (r->role == SEG_USE_INTERRUPTED && r->handler)) &&
	       (!r->handler || import_mapped(im, SEG_HANDLERS, r->handler) != MODEL_NONE);
}

void import_use(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_use *r = record;

	if (!use_is_sane(im, r)) {
		im->damaged++;
		return;
	}
	uint32_t stack = import_stack(im, r->stack), i = model_add_use(im->m);

	if (i == MODEL_NONE)
		return;
	const struct model_resource *file =
		&im->m->resources.items[import_mapped(im, SEG_RESOURCES, r->resource)];

	im->m->uses.items[i] = (struct model_use){
		.process = im->process,
		.thread = import_mapped(im, SEG_THREADS, r->thread),
		.handler = import_mapped(im, SEG_HANDLERS, r->handler),
		.role = r->role == SEG_USE_TAKEN ? USE_TAKEN : USE_INTERRUPTED,
		.kind = import_lock_kinds[r->kind],
		.mode = r->mode == SEG_MODE_WRITE ? MODE_WRITE : MODE_READ,
		.file = file->path ? file->path : "",
		.dev = file->dev,
		.ino = file->ino,
		.start = r->start,
		.end = r->end,
		.ofd = r->ofd,
		.exposed = r->exposed,
		.is_blocking = r->flags & SEG_USE_BLOCKING,
		.count = r->count,
		.dropped = r->dropped,
		.waited_ns = r->waited_ns,
		.holder = r->holder,
		.first_ns = r->first_ns,
		.last_ns = r->last_ns,
		.left_out = r->left_out,
		.stack = stack,
	};
	im->map[SEG_USES][index - 1] = i;
	import_saw_time(im, r->last_ns);
}

void import_held(const struct importer *im, struct model_call *c, const struct seg_finding *r)
{
	for (uint32_t i = 0; r->flags & SEG_FIND_HELD && i < SEG_HELD && i < HELD_MAX; i++) {
		uint32_t use = import_mapped(im, SEG_USES, r->held[i]);

		if (use != MODEL_NONE)
			c->held[c->held_count++] = use;
	}
	c->has_more_held = r->flags & SEG_FIND_HELD_MORE;
}
