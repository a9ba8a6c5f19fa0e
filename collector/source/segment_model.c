/*
 * One segment's records into the model. Reads what another user may have written: segment_read.c
 * has bounded the tables, here every index and enumeration in a record is checked.
 */
#include "config.h"

#include "collector/source/segment_import.h"

#include <stdlib.h>
#include <string.h>

#define LIFE_MAX_NS (UINT64_C(100) * 365 * 86400 * 1000000000) /* a later record is nonsense */

uint32_t import_mapped(const struct importer *im, enum seg_table_id table, uint32_t index)
{
	if (!index || index > segment_count(im->s, table) || !im->map[table])
		return MODEL_NONE;
	return im->map[table][index - 1];
}

void import_saw_time(struct importer *im, uint64_t ns)
{
	const struct seg_header *h = segment_header(im->s);

	struct model_process *p = &im->m->processes.items[im->process];

	if (im->g->session || (ns > h->created_mono_ns && ns - h->created_mono_ns > LIFE_MAX_NS))
		return;
	if (ns > p->last_ns)
		p->last_ns = ns;
	if (ns <= im->g->last_ns)
		return;
	im->g->last_ns = ns;
	im->g->last_real_ns = h->created_real_ns + (ns - h->created_mono_ns);
}

uint32_t import_stack(struct importer *im, uint32_t index)
{
	if (!index || index > segment_count(im->s, SEG_STACKS) || !im->map[SEG_STACKS])
		return MODEL_NONE;
	uint32_t *known = &im->map[SEG_STACKS][index - 1];

	if (*known == MODEL_NONE) {
		*known = model_add_stack(im->m);
		if (*known != MODEL_NONE) {
			struct model_stack *st = &im->m->stacks.items[*known];
			st->origin = STACK_PCS;
			st->process = im->process;
			st->raw = index;
		}
	}
	return *known;
}

static void import_thread(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_thread *r = record;

	if (!r->tid)
		return; /* has ended while it was recorded from outside */
	/* Threads end without a record. One that is gone holds nobody up, and must not count. */
	if (im->state == PROCESS_LIVE && segment_count(im->s, SEG_THREADS) > 1 &&
	    !proc_has(im->g->proc, "%d/task/%d", segment_header(im->s)->pid, r->tid))
		return;
	uint32_t i = model_add_thread(im->m);

	if (i == MODEL_NONE)
		return;
	struct model_thread *t = &im->m->threads.items[i];

	t->process = im->process;
	t->tid = r->tid;
	t->handler_depth = r->handler_depth;
	t->handler_signo = r->handler_signo;
	t->call_since_ns = r->call_since_ns;
	im->map[SEG_THREADS][index - 1] = i;
	/* Of the living, where they are now is asked when it is needed. */
	if (segment_is_sampled(im->s) && im->state != PROCESS_LIVE) {
		uint32_t stack = import_stack(im, r->stack);

		im->m->threads.items[i].stack = stack;
		if (stack != MODEL_NONE)
			im->m->stacks.items[stack].seen_ns = r->stack_ns;
	}
	import_saw_time(im, r->first_ns);
}

static void import_resource(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_resource *r = record;

	if (r->kind != SEG_RES_FILE)
		im->damaged++;
	else
		im->map[SEG_RESOURCES][index - 1] =
			gather_resource(im->g, r->key1, r->key2, segment_text(im->s, r->path));
}

static void add_tombstone(struct gather *g, uint64_t ofd, uint64_t since_ns)
{
	if (g->tombstone_count == g->tombstone_room) {
		uint32_t room = g->tombstone_room ? g->tombstone_room * 2 : 16;
		struct tombstone *grown = reallocarray(g->tombstones, room, sizeof(*grown));

		if (!grown) {
			g->m->out_of_memory = true;
			return;
		}
		g->tombstones = grown;
		g->tombstone_room = room;
	}
	g->tombstones[g->tombstone_count++] = (struct tombstone){ofd, since_ns};
}

static bool lock_is_sane(const struct importer *im, const struct seg_lock *r)
{
	return r->kind >= SEG_LOCK_POSIX && r->kind <= SEG_LOCK_LEASE &&
	       (r->mode == SEG_MODE_READ || r->mode == SEG_MODE_WRITE) && r->start <= r->end &&
	       r->state <= SEG_LOCK_RELEASED &&
	       import_mapped(im, SEG_RESOURCES, r->resource) != MODEL_NONE;
}

const enum lock_kind import_lock_kinds[] = {[SEG_LOCK_POSIX] = LOCK_POSIX,
					    [SEG_LOCK_OFD] = LOCK_OFD,
					    [SEG_LOCK_FLOCK] = LOCK_FLOCK,
					    [SEG_LOCK_LEASE] = LOCK_LEASE};

static void fill_lock(struct importer *im, struct model_lock *l, const struct seg_lock *r)
{
	bool is_held = r->state == SEG_LOCK_HELD;

	l->state = is_held ? LOCK_HELD : r->state == SEG_LOCK_WAITING ? LOCK_WAITING : LOCK_POLLING;
	l->kind = import_lock_kinds[r->kind];
	l->mode = r->mode == SEG_MODE_WRITE ? MODE_WRITE : MODE_READ;
	/* Who left by exit() gave its locks back: nothing of them is a fact any more. */
	l->evidence = im->state == PROCESS_EXITED ? EVIDENCE_STALE : EVIDENCE_RECORDED;
	l->resource = import_mapped(im, SEG_RESOURCES, r->resource);
	l->process = im->process;
	l->thread = import_mapped(im, SEG_THREADS, r->thread);
	l->start = r->start;
	l->end = r->end;
	l->since_ns = is_held ? r->hold_since_ns : r->wait_since_ns;
	l->last_try_ns = r->last_try_ns;
	l->tries = l->state == LOCK_POLLING && !r->tries ? 1 : r->tries;
	l->ofd = r->ofd;
	l->request = r->request;
	l->fd = r->fd;
	l->is_carried = r->flags & SEG_LOCK_CARRIED;
	l->is_inherited = r->flags & SEG_LOCK_INHERITED;
	l->is_sampled = segment_is_sampled(im->s);
	if (l->is_sampled && im->state == PROCESS_LIVE && segment_sampling_is_over(im->s)) {
		uint64_t last_ns = segment_header(im->s)->sample_last_ns;

		/* The look that saw it first may not have been followed by a beat. */
		l->seen_until_ns = last_ns > l->since_ns ? last_ns : l->since_ns;
	}
	l->is_deduced = l->is_sampled && r->flags & SEG_LOCK_INFERRED;
	l->is_glimpse = l->is_sampled && l->since_ns >= segment_header(im->s)->sample_last_ns;
	l->is_before = r->flags & SEG_LOCK_BEFORE;
}

static void import_lock(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_lock *r = record;

	if (r->state == SEG_LOCK_FREE)
		return;
	if (!lock_is_sane(im, r)) {
		im->damaged++;
		return;
	}
	if (r->state == SEG_LOCK_RELEASED) {
		add_tombstone(im->g, r->ofd, r->hold_since_ns);
		return;
	}
	if (process_is_past(im->state))
		return; /* what survived is in the next image's record, or in none */
	uint32_t stack = import_stack(im, r->stack), i = model_add_lock(im->m);

	if (i == MODEL_NONE)
		return;
	fill_lock(im, &im->m->locks.items[i], r);
	im->m->locks.items[i].stack = stack;
	im->map[SEG_LOCKS][index - 1] = i;
	import_saw_time(im, r->hold_since_ns);
	import_saw_time(im, r->wait_since_ns);
	import_saw_time(im, r->last_try_ns);
}

static_assert((int)WAY_SIGACTION == (int)SEG_INSTALL_SIGACTION &&
		      (int)WAY_CHANGE == (int)SEG_INSTALL_CHANGE,
	      "the model's ways are the segment's");

/* "write, kill" */
static const char *safe_calls_text(struct model *m, uint64_t calls)
{
	static const char *const names[] = {
#define NAME(name) #name,
		SEG_SAFE_CALLS(NAME)
#undef NAME
	};
	const char *text = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (calls >> i & 1)
			text = *text ? model_stringf(m, "%s, %s", text, names[i]) : names[i];
	return text;
}

static void import_handler(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_handler *r = record;
	uint32_t stack = import_stack(im, r->stack), i = model_add_handler(im->m);

	if (i == MODEL_NONE)
		return;
	im->m->handlers.items[i] = (struct model_handler){
		.process = im->process,
		.signo = r->signo,
		.address = r->handler,
		.flags = r->flags,
		.mask = r->mask,
		.is_current = r->current,
		.was_reset = r->was_reset,
		.installs = r->installs,
		.ways = r->ways & WAYS_KNOWN,
		.stack = stack,
		.deliveries = r->deliveries,
		.by_user = r->by_user,
		.by_timer = r->by_timer,
		.by_kernel = r->by_kernel,
		.last_sender = r->last_sender,
		.safe_calls = safe_calls_text(im->m, r->safe_calls),
		.max_depth = r->max_depth,
		.total_ns = r->total_ns,
		.max_ns = r->max_ns,
		.first_ns = r->first_ns,
		.last_ns = r->last_ns,
		.errno_clobbered = r->errno_clobbered,
		.acted = r->acted,
		.returned_ns = r->returned_ns,
		.returned_sleeps = r->returned_sleeps,
		.returned_tid = r->returned_tid,
		.errno_before = r->errno_before,
		.errno_after = r->errno_after,
	};
	im->map[SEG_HANDLERS][index - 1] = i;
	import_saw_time(im, r->last_ns);
}

static void import_finding(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_finding *r = record;

	if (r->kind != SEG_FIND_UNSAFE_CALL && r->kind != SEG_FIND_JUMP) {
		im->damaged++;
		return;
	}
	uint32_t stack = model_add_stack(im->m), i = model_add_call(im->m);

	if (stack == MODEL_NONE || i == MODEL_NONE)
		return;
	struct model_stack *st = &im->m->stacks.items[stack];

	st->origin = STACK_SLICE;
	st->process = im->process;
	st->raw = index;
	struct model_call *c = &im->m->calls.items[i];

	c->process = im->process;
	c->thread = import_mapped(im, SEG_THREADS, r->thread);
	c->handler = import_mapped(im, SEG_HANDLERS, r->handler);
	c->signo = r->signo;
	c->function = model_string(im->m, segment_text(im->s, r->function));
	c->caller = r->caller;
	c->is_allocator = r->flags & SEG_FIND_ALLOC_CALL;
	c->is_lock = r->flags & SEG_FIND_LOCK_CALL;
	if (r->kind == SEG_FIND_JUMP) {
		c->jumps_out = r->why ? r->why : 1;
	} else {
		c->why = segment_why_text(im->m, r->why);
		c->is_safe_in_libc = r->why & SEG_WHY_SAFE;
		c->shares_data =
			r->why & (SEG_WHY_ZONE | SEG_WHY_ENVIRON | SEG_WHY_DATA | SEG_WHY_BUFFER);
	}
	c->is_threaded = r->flags & SEG_FIND_THREADED;
	c->is_inherited = r->flags & SEG_FIND_INHERITED;
	c->is_rescued = r->flags & SEG_FIND_RESCUED;
	c->count = r->count;
	c->first_ns = r->first_ns;
	c->last_ns = r->last_ns;
	c->stack = stack;
	import_held(im, c, r);
	im->map[SEG_FINDINGS][index - 1] = i;
	import_saw_time(im, r->last_ns);
}

static void import_interruption(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_interruption *r = record;
	uint32_t handler = import_mapped(im, SEG_HANDLERS, r->handler);

	(void)index;
	if (handler == MODEL_NONE || r->syscall < 0) {
		im->damaged++;
		return;
	}
	uint32_t stack = import_stack(im, r->stack), i = model_add_interruption(im->m);

	if (i == MODEL_NONE)
		return;
	im->m->interruptions.items[i] = (struct model_interruption){
		.process = im->process,
		.handler = handler,
		.thread = import_mapped(im, SEG_THREADS, r->thread),
		.syscall = r->syscall,
		.args = {r->args[0], r->args[1]},
		.count = r->count,
		.acted = r->acted < r->count ? r->acted : r->count,
		.first_ns = r->first_ns,
		.last_ns = r->last_ns,
		.stack = stack,
		.ended = r->ended,
		.ended_acted = r->ended_acted < r->ended ? r->ended_acted : r->ended,
		.ended_ns = r->ended_ns,
		.sleeps = r->sleeps,
		.waited_ns = r->waited_ns,
		.limit_ns = r->limit_ns == SEG_NO_LIMIT ? MODEL_NO_LIMIT : r->limit_ns,
	};
	import_saw_time(im, r->last_ns);
	import_saw_time(im, r->ended_ns);
}

static void import_event_time(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_event *r = record;

	(void)index;
	import_saw_time(im, r->ns);
}

/* Threads name findings that are imported after them. */
static void link_call(struct importer *im, uint32_t index, const void *record)
{
	const struct seg_thread *r = record;
	uint32_t thread = import_mapped(im, SEG_THREADS, index);

	if (thread != MODEL_NONE)
		im->m->threads.items[thread].call = import_mapped(im, SEG_FINDINGS, r->finding);
}

static void import_table(struct importer *im, enum seg_table_id table, import_fn *import)
{
	union {
		struct seg_thread thread;
		struct seg_resource resource;
		struct seg_lock lock;
		struct seg_handler handler;
		struct seg_finding finding;
		struct seg_use use;
		struct seg_event event;
		struct seg_holding holding;
		struct seg_edge edge;
		struct seg_lost lost;
	} record;

	for (uint32_t i = 1; i <= segment_count(im->s, table); i++)
		if (!segment_read(im->s, table, i, &record, sizeof(record)))
			import(im, i, &record);
}

static bool new_maps(struct importer *im)
{
	static const enum seg_table_id tables[] = {SEG_THREADS,  SEG_RESOURCES, SEG_LOCKS,
						   SEG_HANDLERS, SEG_FINDINGS,  SEG_STACKS,
						   SEG_HOLDINGS,  SEG_USES};

	for (size_t n = 0; n < sizeof(tables) / sizeof(tables[0]); n++) {
		size_t size = (segment_count(im->s, tables[n]) + (size_t)1) * sizeof(uint32_t);

		im->map[tables[n]] = malloc(size);
		if (!im->map[tables[n]])
			return false;
		memset(im->map[tables[n]], 0xff, size);
	}
	return true;
}

/* Arguments separated by NULs, an empty one ends them: joined by blanks. */
static const char *join_arguments(struct model *m, const char *cmdline, size_t size)
{
	char text[1024];
	size_t used = 0;

	while (used + 1 < size && used + 1 < sizeof(text) &&
	       (cmdline[used] || (used && cmdline[used + 1]))) {
		text[used] = cmdline[used] ? cmdline[used] : ' ';
		used++;
	}
	text[used] = 0;
	return model_string(m, text);
}

static void fill_process(struct importer *im, const struct segment_origin *origin)
{
	const struct seg_header *h = segment_header(im->s);
	struct model_process *p = &im->m->processes.items[im->process];

	p->pid = h->pid;
	p->session = im->g->session;
	p->ppid = h->ppid;
	p->start_time = h->start_time;
	p->image = h->image;
	p->uid = h->uid;
	p->state = origin->state;
	p->exit_status = origin->state == PROCESS_EXITED ? h->exit_status : 0;
	p->killed_by = origin->state == PROCESS_KILLED && h->state == SEG_KILLED ? h->exit_status : 0;
	p->knows_start = h->knows_start;
	p->blocked_at_start = h->blocked_at_start;
	p->ignored_at_start = h->ignored_at_start;
	p->caught_before = h->caught_before;
	p->listens = h->listens;
	p->has_segment = true;
	p->has_children_threads = segment_count(im->s, SEG_THREADS) > 1;
	p->exe = model_string(im->m, h->exe);
	p->name = h->title[0] ? model_string(im->m, h->title)
		  : p->exe[0] ? p->exe
			      : model_stringf(im->m, "[%d]", h->pid);
	p->cmdline = join_arguments(im->m, h->cmdline, sizeof(h->cmdline));
	/* The process may not have seen /proc where it was. */
	if (!p->exe[0] && origin->state == PROCESS_LIVE)
		gather_name(im->g, im->process);
	p->segment_path = model_string(im->m, origin->path);
	p->ended_ns = origin->state == PROCESS_LIVE ? 0 : h->ended_ns;
	p->deliveries = h->deliveries;
	if (h->sample_interval_ns && h->held_back_looks)
		p->held_back = (struct model_held_back){
			.signals = h->held_back,
			.since_ns = h->held_back_since_ns,
			.last_ns = h->held_back_last_ns,
			.looks = h->held_back_looks,
			.has_run = h->held_back_run,
			.is_sampled = true,
		};
	import_saw_time(im, h->ended_ns);
	import_saw_time(im, h->created_mono_ns);
	import_saw_time(im, h->sample_last_ns);
}

static bool keep_segment(struct gather *g, uint32_t process, struct segment *s)
{
	if (process >= g->segment_room) {
		uint32_t room = g->segment_room ? g->segment_room * 2 : 64;

		while (room <= process)
			room *= 2;
		struct segment **grown = reallocarray(g->segments, room, sizeof(*grown));

		if (!grown)
			return false;
		memset(grown + g->segment_room, 0, (room - g->segment_room) * sizeof(*grown));
		g->segments = grown;
		g->segment_room = room;
	}
	g->segments[process] = s;
	return true;
}

/* Records may be of another boot, or another machine: their headers relate the clocks. */
static void relate_clocks(struct importer *im)
{
	const struct seg_header *h = segment_header(im->s);
	uint64_t origin_ns = h->created_real_ns - h->created_mono_ns;

	if (!im->g->origin_ns)
		im->g->origin_ns = origin_ns;
	im->shift_ns = im->g->session ? origin_ns - im->g->origin_ns : 0;
}

static void import_orders(struct importer *im)
{
	import_table(im, SEG_THREADS, import_thread);
	import_table(im, SEG_RESOURCES, import_resource);
	import_table(im, SEG_HOLDINGS, import_holding);
	import_table(im, SEG_EDGES, import_edge);
}

static void import_records(struct importer *im)
{
	import_table(im, SEG_THREADS, import_thread);
	import_table(im, SEG_RESOURCES, import_resource);
	import_table(im, SEG_LOCKS, import_lock);
	import_table(im, SEG_HOLDINGS, import_holding);
	import_table(im, SEG_EDGES, import_edge);
	import_table(im, SEG_LOST, import_lost);
	import_table(im, SEG_HANDLERS, import_handler);
	import_table(im, SEG_USES, import_use);
	import_table(im, SEG_LOCKS, import_use_of_lock);
	import_table(im, SEG_FINDINGS, import_finding);
	import_table(im, SEG_INTERRUPTIONS, import_interruption);
	import_table(im, SEG_THREADS, link_call);
	import_table(im, SEG_EVENTS, import_event_time);
	if (im->g->options->want_events)
		segment_events_add(im->g, im->s, im->process);
}

uint32_t segment_model_add(struct gather *g, struct segment *s, const struct segment_origin *origin)
{
	struct importer im = {
		.g = g, .m = g->m, .s = s, .state = origin->state, .process = MODEL_NONE};

	if (new_maps(&im))
		im.process = model_add_process(g->m);
	if (im.process != MODEL_NONE && keep_segment(g, im.process, s)) {
		fill_process(&im, origin);
		relate_clocks(&im);
		if (g->session) {
			import_orders(&im);
		} else {
			index_add(&g->processes, g->m->processes.items[im.process].pid, im.process);
			import_records(&im);
		}
		segment_notes_add(g, s, im.process);
		if (im.damaged)
			model_note(g->m, "%s: %u records with impossible values were left out",
				   origin->path, im.damaged);
	} else {
		g->m->out_of_memory = true;
		im.process = MODEL_NONE;
	}
	for (int t = 0; t < SEG_TABLE_IDS; t++)
		free(im.map[t]);
	return im.process;
}
