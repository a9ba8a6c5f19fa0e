#include "config.h"

#include "collector/sample/sample_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- files ------------------------------------------------------------------------------------ */

static uint32_t write_path(struct sample_process *p, const struct model_resource *r)
{
	char path[4096 + 16];

	if (!r->is_deleted)
		return sample_string(p->segment, r->path);
	/* As the kernel has it, and the reader expects it. */
	memccpy(path, r->path, 0, sizeof(path) - 16);
	path[sizeof(path) - 16] = 0;
	return sample_string(p->segment, strcat(path, " (deleted)"));
}

static uint32_t record_resource(struct sample_process *p, const struct model_resource *r)
{
	uint64_t dev = r->kernel_dev ? r->kernel_dev : r->dev;
	struct seg_resource *record;
	uint32_t index = 0;

	for (uint32_t i = 1; !index && i <= sample_records(p->segment, SEG_RESOURCES); i++) {
		record = sample_record(p->segment, SEG_RESOURCES, i);
		if (record->key1 == dev && record->key2 == r->ino)
			index = i;
	}
	if (index && (record->path || !r->path[0]))
		return index;
	if (!index)
		index = sample_record_new(p->segment, SEG_RESOURCES);
	record = sample_record_begin(p->segment, SEG_RESOURCES, index);
	if (!record)
		return 0;
	record->kind = SEG_RES_FILE;
	record->key1 = dev;
	record->key2 = r->ino;
	record->path = r->path[0] ? write_path(p, r) : 0;
	sample_record_end(p->segment, SEG_RESOURCES, index);
	return index;
}

/* --- locks ------------------------------------------------------------------------------------ */

static void tell(struct sample_process *p, enum seg_event_kind kind, uint32_t lock, uint64_t now_ns)
{
	const struct seg_lock *l = sample_record(p->segment, SEG_LOCKS, lock);
	const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, l->thread);
	struct seg_event e = {.kind = kind,
			      .mode = l->mode,
			      .tid = t && t->tid ? t->tid : p->pid,
			      .ns = now_ns,
			      .value = lock,
			      .aux = l->resource,
			      .start = l->start};

	if (kind == SEG_EV_RELEASED) {
		e.value = l->resource;
		e.aux = l->kind;
	} else if (kind == SEG_EV_WITHDRAWN) {
		e.value = (uint64_t)l->resource << 32 | lock;
		e.aux = 0;
	}
	sample_event(p->segment, &e);
}

static const uint8_t kinds[] = {[LOCK_POSIX] = SEG_LOCK_POSIX,
				[LOCK_OFD] = SEG_LOCK_OFD,
				[LOCK_FLOCK] = SEG_LOCK_FLOCK,
				[LOCK_LEASE] = SEG_LOCK_LEASE};

static uint8_t mode_of(const struct model_lock *l)
{
	return l->mode == MODE_WRITE ? SEG_MODE_WRITE : SEG_MODE_READ;
}

static uint8_t flags_of(const struct model_lock *l)
{
	return (l->is_inherited ? SEG_LOCK_INHERITED : 0) |
	       (l->evidence == EVIDENCE_INFERRED ? SEG_LOCK_INFERRED : 0);
}

/* The record of this lock in this state that no other lock of the look has taken; 0: none. */
static uint32_t find_lock(struct sample_process *p, const struct model_lock *l, uint32_t resource,
			  uint32_t thread, enum seg_lock_state state)
{
	for (uint32_t i = 1; i <= sample_records(p->segment, SEG_LOCKS); i++) {
		const struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, i);

		if (r->state == state && !p->is_seen[i - 1] && r->resource == resource &&
		    r->kind == kinds[l->kind] && r->mode == mode_of(l) && r->start == l->start &&
		    r->end == l->end && (!thread || !r->thread || r->thread == thread))
			return i;
	}
	return 0;
}

static uint32_t unused_lock(struct sample_process *p)
{
	for (uint32_t i = 1; i <= sample_records(p->segment, SEG_LOCKS); i++) {
		const struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, i);

		if (r->state == SEG_LOCK_FREE)
			return i;
	}
	return sample_record_new(p->segment, SEG_LOCKS);
}

static void grant(struct sample_process *p, uint32_t lock, uint64_t now_ns)
{
	struct seg_lock *r = sample_record_begin(p->segment, SEG_LOCKS, lock);

	r->state = SEG_LOCK_HELD;
	r->hold_since_ns = now_ns;
	sample_record_end(p->segment, SEG_LOCKS, lock);
	tell(p, SEG_EV_ACQUIRED, lock, now_ns);
}

static uint32_t add_lock(struct sample_process *p, const struct model_lock *l, uint32_t resource,
			 uint32_t thread, uint64_t now_ns)
{
	bool is_held = l->state == LOCK_HELD;
	uint32_t index = unused_lock(p);
	struct seg_lock *r = sample_record_begin(p->segment, SEG_LOCKS, index);

	if (!r)
		return 0;
	*r = (struct seg_lock){.seq = r->seq,
			       .state = is_held ? SEG_LOCK_HELD : SEG_LOCK_WAITING,
			       .kind = kinds[l->kind],
			       .mode = mode_of(l),
			       .flags = flags_of(l),
			       .resource = resource,
			       .thread = thread,
			       .fd = l->fd,
			       .request = ++sample_segment_header(p->segment)->wait_counter,
			       .start = l->start,
			       .end = l->end};
	if (is_held)
		r->hold_since_ns = now_ns;
	else
		r->wait_since_ns = now_ns;
	sample_record_end(p->segment, SEG_LOCKS, index);
	tell(p, is_held ? SEG_EV_ACQUIRED : SEG_EV_WAIT, index, now_ns);
	return index;
}

/* Of a polling waiter nothing is to be seen from outside; stale ones are no facts. */
static bool is_to_be_recorded(const struct sample_look *look, const struct model_lock *l)
{
	return l->process != MODEL_NONE && look->processes[l->process] &&
	       l->evidence != EVIDENCE_STALE && l->state != LOCK_POLLING;
}

/*
 * The model's numbers of open file descriptions hold for one look. In the records each keeps one as
 * long as somebody who has it is recorded: whom a description is shared with decides what is a
 * deadlock.
 */
static uint64_t name_description(struct sample_look *look, const struct model_lock *l)
{
	uint32_t i = l->ofd ? index_first(&look->descriptions, l->ofd) : UINT32_MAX;

	if (!l->ofd)
		return 0;
	if (i != UINT32_MAX)
		return look->ps->descriptions_base + look->descriptions.entries[i].value;
	index_add(&look->descriptions, l->ofd, ++look->ps->description_count);
	return look->ps->descriptions_base + look->ps->description_count;
}

/* The name that its record has goes on, if no other in this look has got it. */
static void keep_description(struct sample_look *look, uint32_t lock)
{
	const struct model_lock *l = &look->m->locks.items[lock];
	const struct seg_lock *r =
		sample_record(look->processes[l->process]->segment, SEG_LOCKS, look->locks[lock]);
	uint64_t number = r ? r->ofd - look->ps->descriptions_base : 0;

	if (!r || !r->ofd || !l->ofd || index_first(&look->descriptions, l->ofd) != UINT32_MAX ||
	    index_first(&look->names, number) != UINT32_MAX)
		return;
	index_add(&look->descriptions, l->ofd, number);
	index_add(&look->names, number, 0);
}

static void update_description(struct sample_look *look, uint32_t lock)
{
	const struct model_lock *l = &look->m->locks.items[lock];
	struct sample_segment *s = look->processes[l->process]->segment;
	uint64_t ofd = name_description(look, l);
	struct seg_lock *r = sample_record(s, SEG_LOCKS, look->locks[lock]);

	if (!r || r->ofd == ofd)
		return;
	r = sample_record_begin(s, SEG_LOCKS, look->locks[lock]);
	r->ofd = ofd;
	sample_record_end(s, SEG_LOCKS, look->locks[lock]);
}

/* What stands as it stood: before anything else may take its record. */
static void keep_lock(struct sample_look *look, uint32_t lock)
{
	const struct model_lock *l = &look->m->locks.items[lock];
	struct sample_process *p = look->processes[l->process];
	pid_t tid = sample_waiter(look, l);
	uint32_t thread = sample_thread(p, tid);
	uint32_t resource = record_resource(p, &look->m->resources.items[l->resource]);
	uint32_t index = find_lock(p, l, resource, thread,
				   l->state == LOCK_HELD ? SEG_LOCK_HELD : SEG_LOCK_WAITING);

	look->locks[lock] = index;
	if (index)
		p->is_seen[index - 1] = true;
}

static void change_lock(struct sample_look *look, uint32_t lock)
{
	const struct model_lock *l = &look->m->locks.items[lock];
	struct sample_process *p = look->processes[l->process];
	pid_t tid = sample_waiter(look, l);
	uint32_t thread = sample_thread(p, tid);
	uint32_t resource = record_resource(p, &look->m->resources.items[l->resource]);
	uint32_t index = 0;

	if (!resource)
		return;
	if (l->state == LOCK_HELD)
		index = find_lock(p, l, resource, 0, SEG_LOCK_WAITING);
	if (index)
		grant(p, index, look->now_ns);
	else
		index = add_lock(p, l, resource, thread, look->now_ns);
	look->locks[lock] = index;
	if (index)
		p->is_seen[index - 1] = true;
}

/* Gone since the last look: given back, or granted and given back, or no longer asked for. */
static void drop_lock(struct sample_process *p, uint32_t lock, uint64_t now_ns)
{
	struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, lock);

	tell(p, r->state == SEG_LOCK_HELD ? SEG_EV_RELEASED : SEG_EV_WITHDRAWN, lock, now_ns);
	r = sample_record_begin(p->segment, SEG_LOCKS, lock);
	r->state = SEG_LOCK_FREE;
	sample_record_end(p->segment, SEG_LOCKS, lock);
}

static bool has_lost_lock(struct sample_process *p)
{
	for (uint32_t i = 1; i <= sample_records(p->segment, SEG_LOCKS); i++) {
		const struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, i);

		if (r->state != SEG_LOCK_FREE && !p->is_seen[i - 1])
			return true;
	}
	return false;
}

/* Who dies loses its locks: what it had is what its record is to tell. */
static void drop_locks(struct sample_look *look)
{
	for (uint32_t n = 0; n < look->ps->count; n++) {
		struct sample_process *p = look->ps->items[n];

		if (!has_lost_lock(p) || sample_process_is_dying(look->ps, p, look->now_ns))
			continue;
		for (uint32_t i = 1; i <= sample_records(p->segment, SEG_LOCKS); i++) {
			const struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, i);

			if (r->state != SEG_LOCK_FREE && !p->is_seen[i - 1])
				drop_lock(p, i, look->now_ns);
		}
	}
}

static void count_unowned(const struct sample_look *look)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < look->m->locks.count; i++)
		count += look->m->locks.items[i].process == MODEL_NONE;
	if (count > look->ps->unowned)
		look->ps->unowned = count;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void find_processes(struct sample_look *look)
{
	const struct model *m = look->m;

	for (uint32_t i = 0; i < m->processes.count; i++) {
		struct sample_process *p =
			m->processes.items[i].state == PROCESS_LIVE
				? sample_process_get(look->ps, m->processes.items[i].pid,
						     look->now_ns)
				: NULL;
		if (p)
			p->is_target |= m->processes.items[i].is_target;
		look->processes[i] = p;
	}
}

int sample_look_record(struct sample_look *look)
{
	const struct model *m = look->m;

	look->processes = calloc(m->processes.count + (size_t)1, sizeof(*look->processes));
	look->locks = calloc(m->locks.count + (size_t)1, sizeof(*look->locks));
	look->is_waiting = calloc(m->processes.count + (size_t)1, sizeof(*look->is_waiting));
	if (!look->processes || !look->locks || !look->is_waiting)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].state == LOCK_WAITING &&
		    m->locks.items[i].process != MODEL_NONE)
			look->is_waiting[m->locks.items[i].process] = true;
	find_processes(look);
	for (uint32_t n = 0; n < look->ps->count; n++)
		memset(look->ps->items[n]->is_seen, 0,
		       sample_records(look->ps->items[n]->segment, SEG_LOCKS));
	if (sample_threads_record(look))
		return -ENOMEM;
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (is_to_be_recorded(look, &m->locks.items[i]))
			keep_lock(look, i);
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (look->locks[i])
			keep_description(look, i);
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (is_to_be_recorded(look, &m->locks.items[i]) && !look->locks[i])
			change_lock(look, i);
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (look->locks[i])
			update_description(look, i);
	drop_locks(look);
	count_unowned(look);
	return 0;
}

void sample_look_done(struct sample_look *look)
{
	free(look->processes);
	free(look->locks);
	free(look->is_waiting);
	index_done(&look->descriptions);
	index_done(&look->names);
}
