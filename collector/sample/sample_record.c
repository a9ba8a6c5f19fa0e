#include "config.h"

#include "collector/sample/sample_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static uint32_t used(struct sample_process *p, enum seg_table_id id)
{
	return sample_segment_header(p->segment)->tables[id].used;
}

/* --- threads ---------------------------------------------------------------------------------- */

uint32_t sample_thread(struct sample_process *p, pid_t tid)
{
	for (uint32_t i = 1; tid && i <= used(p, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);

		if (t->tid == tid)
			return i;
	}
	return 0;
}

static void add_thread(struct sample_process *p, pid_t tid, uint64_t now_ns)
{
	uint32_t index = 0;

	for (uint32_t i = 1; !index && i <= used(p, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);

		index = t->tid ? 0 : i;
	}
	if (!index)
		index = sample_record_new(p->segment, SEG_THREADS);
	struct seg_thread *t = sample_record_begin(p->segment, SEG_THREADS, index);

	if (!t)
		return;
	*t = (struct seg_thread){.seq = t->seq, .tid = tid, .first_ns = now_ns};
	sample_record_end(p->segment, SEG_THREADS, index);
}

static void drop_thread(struct sample_process *p, uint32_t index)
{
	struct seg_thread *t = sample_record_begin(p->segment, SEG_THREADS, index);

	t->tid = 0;
	sample_record_end(p->segment, SEG_THREADS, index);
}

static bool is_waiting(const struct model *m, uint32_t process)
{
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].process == process && m->locks.items[i].state == LOCK_WAITING)
			return true;
	return false;
}

/* order[0..count): the model's threads of this process. */
static void sync_threads(const struct sample_look *look, uint32_t process, const uint32_t *order,
			 uint32_t count)
{
	struct sample_process *p = look->processes[process];
	const struct model_thread *threads = look->m->threads.items;

	/* Of whose threads nothing is known nothing may be concluded from how many there were. */
	if (!count && !is_waiting(look->m, process))
		return;
	for (uint32_t i = 1; i <= used(p, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);
		uint32_t n = 0;

		while (n < count && threads[order[n]].tid != t->tid)
			n++;
		if (t->tid && n == count)
			drop_thread(p, i);
	}
	for (uint32_t n = 0; n < count; n++)
		if (!sample_thread(p, threads[order[n]].tid))
			add_thread(p, threads[order[n]].tid, look->now_ns);
}

static int compare_threads(const void *x, const void *y, void *threads)
{
	const struct model_thread *a = (const struct model_thread *)threads + *(const uint32_t *)x;
	const struct model_thread *b = (const struct model_thread *)threads + *(const uint32_t *)y;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return (a->tid > b->tid) - (a->tid < b->tid);
}

/* All threads of those who were looked into: how many there are decides what is a deadlock. */
static int record_threads(struct sample_look *look)
{
	const struct model *m = look->m;
	uint32_t *order = calloc(m->threads.count + (size_t)1, sizeof(*order)), count = 0, first = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].process != MODEL_NONE && m->threads.items[i].task_state)
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_threads, m->threads.items);
	for (uint32_t n = 0; n < m->processes.count; n++) {
		uint32_t end = first;

		while (end < count && m->threads.items[order[end]].process == n)
			end++;
		if (look->processes[n])
			sync_threads(look, n, order + first, end - first);
		first = end;
	}
	free(order);
	return 0;
}

static bool is_lock_call(const struct model_thread *t, enum lock_kind kind)
{
	if (kind == LOCK_FLOCK)
		return t->syscall == SYS_flock;
	return t->syscall == SYS_fcntl &&
	       (int)t->syscall_args[1] == (kind == LOCK_OFD ? F_OFD_SETLKW : F_SETLKW);
}

/* Who waits, where the kernel names the process only: the one thread that is in such a call. */
static pid_t find_waiter(const struct sample_look *look, const struct model_lock *l)
{
	pid_t found = 0;

	if (l->thread != MODEL_NONE)
		return look->m->threads.items[l->thread].tid;
	for (uint32_t i = 0; l->state == LOCK_WAITING && i < look->m->threads.count; i++) {
		const struct model_thread *t = &look->m->threads.items[i];

		if (t->process != l->process || !is_lock_call(t, l->kind))
			continue;
		if (found)
			return 0;
		found = t->tid;
	}
	return found;
}

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

	for (uint32_t i = 1; !index && i <= used(p, SEG_RESOURCES); i++) {
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

/* The record of this lock in this state that no other lock of the look has taken; 0: none. */
static uint32_t find_lock(struct sample_process *p, const struct model_lock *l, uint32_t resource,
			  uint32_t thread, enum seg_lock_state state)
{
	for (uint32_t i = 1; i <= used(p, SEG_LOCKS); i++) {
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
	for (uint32_t i = 1; i <= used(p, SEG_LOCKS); i++) {
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
			       .flags = l->is_inherited ? SEG_LOCK_INHERITED : 0,
			       .resource = resource,
			       .thread = thread,
			       .fd = l->fd,
			       .request = ++sample_segment_header(p->segment)->wait_counter,
			       .start = l->start,
			       .end = l->end,
			       .ofd = l->ofd};
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

/* What stands as it stood: before anything else may take its record. */
static void keep_lock(struct sample_look *look, uint32_t lock)
{
	const struct model_lock *l = &look->m->locks.items[lock];
	struct sample_process *p = look->processes[l->process];
	pid_t tid = find_waiter(look, l);
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
	pid_t tid = find_waiter(look, l);
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
	for (uint32_t i = 1; i <= used(p, SEG_LOCKS); i++) {
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
		for (uint32_t i = 1; i <= used(p, SEG_LOCKS); i++) {
			const struct seg_lock *r = sample_record(p->segment, SEG_LOCKS, i);

			if (r->state != SEG_LOCK_FREE && !p->is_seen[i - 1])
				drop_lock(p, i, look->now_ns);
		}
	}
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
	if (!look->processes || !look->locks)
		return -ENOMEM;
	find_processes(look);
	for (uint32_t n = 0; n < look->ps->count; n++)
		memset(look->ps->items[n]->is_seen, 0, used(look->ps->items[n], SEG_LOCKS));
	if (record_threads(look))
		return -ENOMEM;
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (is_to_be_recorded(look, &m->locks.items[i]))
			keep_lock(look, i);
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (is_to_be_recorded(look, &m->locks.items[i]) && !look->locks[i])
			change_lock(look, i);
	drop_locks(look);
	return 0;
}

void sample_look_done(struct sample_look *look)
{
	free(look->processes);
	free(look->locks);
}
