/*
 * Source: locks of threads that somebody waits for, from the records of the shim and the memory of
 * the living.
 *
 * A process holds thousands of mutexes that nobody else wants: into the model comes what is waited
 * for, with all that hold it. Of a living process a record is checked: the kernel says in which
 * futex a thread sleeps, libc's object who has it. Of a dead one the record is all there is.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>

#include "collector/proc/thread_lock.h"
#include "collector/source/memory.h"

#define PROCESSES_MAX 5000 /* whose threads are looked at for this */

struct request {
	uint32_t process, thread;
	enum lock_kind kind;
	const struct seg_hold *hold; /* NULL: its list was full */
	const struct seg_thread_wait
		*wait; /* NULL: it was free a moment before, no more is known */
	uint64_t address, site;
	struct thread_lock_place
		place; /* of a lock between processes; ino 0: it is the process's own */
	enum lock_mode mode;
	enum evidence evidence;
};

static const enum lock_kind lock_kinds[SEG_HOLD_KINDS] = {[SEG_HOLD_MUTEX] = LOCK_MUTEX,
							  [SEG_HOLD_RWLOCK] = LOCK_RWLOCK,
							  [SEG_HOLD_SPIN] = LOCK_SPIN};

static bool is_live(const struct gather *g, uint32_t process)
{
	return g->m->processes.items[process].state == PROCESS_LIVE;
}

/* Who left by exit() was stuck in nothing, and a former program has no memory any more. */
bool memory_is_of_interest(const struct gather *g, uint32_t process)
{
	enum process_state state = g->m->processes.items[process].state;

	return process < g->segment_room && g->segments[process] &&
	       (state == PROCESS_LIVE || state == PROCESS_KILLED || state == PROCESS_DUMPED);
}

/* Semaphores are no locks: see memory_waits.c. */
static bool kind_is_sane(uint8_t kind, uint8_t mode)
{
	return kind >= SEG_HOLD_MUTEX && kind <= SEG_HOLD_SPIN &&
	       (mode == SEG_MODE_READ || mode == SEG_MODE_WRITE);
}

bool memory_read_list(const struct gather *g, uint32_t process, uint32_t index,
		      struct seg_holds *list)
{
	if (segment_read(g->segments[process], SEG_LISTS, index, list, sizeof(*list)))
		return false;
	if (list->top > SEG_HOLDS_MAX)
		list->top = SEG_HOLDS_MAX;
	return list->tid > 0;
}

/* --- resources -----------------------------------------------------------------------------------
 */

static bool is_resource_of(const struct model_resource *r, const struct request *q)
{
	if (r->kind != RESOURCE_MEMORY)
		return false;
	if (!q->place.ino)
		return r->process == q->process && r->address == q->address;
	return r->process == MODEL_NONE && r->dev == q->place.dev && r->ino == q->place.ino &&
	       r->address == q->place.offset;
}

static uint32_t find_resource(const struct model *m, const struct request *q)
{
	for (uint32_t i = 0; i < m->resources.count; i++)
		if (is_resource_of(&m->resources.items[i], q))
			return i;
	return MODEL_NONE;
}

static uint32_t add_resource(struct model *m, const struct request *q)
{
	static const char *const names[LOCK_KINDS] = {
		[LOCK_MUTEX] = "mutex", [LOCK_RWLOCK] = "rwlock", [LOCK_SPIN] = "spin lock"};
	uint32_t i = model_add_resource(m);

	if (i == MODEL_NONE)
		return i;
	struct model_resource *r = &m->resources.items[i];

	r->kind = RESOURCE_MEMORY;
	r->process = q->process;
	r->address = q->address;
	r->path = model_stringf(m, "%s 0x%" PRIx64, names[q->kind], q->address);
	if (!q->place.ino)
		return i;
	r->process = MODEL_NONE;
	r->dev = q->place.dev;
	r->ino = q->place.ino;
	r->address = q->place.offset;
	r->path = model_stringf(m, "%s of several processes, byte %" PRIu64 " of %s",
				names[q->kind], q->place.offset, q->place.path);
	return i;
}

uint32_t memory_stack(struct model *m, uint32_t process, uint32_t raw, uint64_t site)
{
	uint32_t i = raw || site ? model_add_stack(m) : MODEL_NONE;

	if (i == MODEL_NONE)
		return i;
	m->stacks.items[i].origin = STACK_PCS;
	m->stacks.items[i].process = process;
	m->stacks.items[i].raw = raw;
	m->stacks.items[i].site = raw ? 0 : site;
	return i;
}

/* --- holds ---------------------------------------------------------------------------------------
 */

static uint32_t add_lock(struct model *m, const struct request *q, uint32_t resource)
{
	uint32_t i = model_add_lock(m);

	if (i == MODEL_NONE)
		return i;
	struct model_lock *l = &m->locks.items[i];

	l->kind = q->kind;
	l->mode = q->mode;
	l->evidence = q->evidence;
	l->resource = resource;
	l->process = q->process;
	l->thread = q->thread;
	l->end = MODEL_TO_EOF;
	l->fd = -1;
	return i;
}

static uint32_t thread_of(struct gather *g, uint32_t process, pid_t tid)
{
	return is_live(g, process) ? gather_thread(g, process, tid)
				   : model_find_thread(g->m, process, tid);
}

/* What its memory says against a record: somebody else has it, or nobody. */
static bool is_denied(const struct thread_lock *lock, pid_t tid, const struct seg_hold *hold)
{
	if (!lock->is_taken)
		return true;
	if (hold->mode == SEG_MODE_READ)
		return hold->kind == SEG_HOLD_RWLOCK && !lock->readers;
	return lock->owner && lock->owner != tid;
}

/* Whose hold it is; of a living process's thread that has ended: nobody's. */
static void name_owner(struct gather *g, struct request *held, pid_t tid)
{
	pid_t pid = g->m->processes.items[held->process].pid;

	held->thread = MODEL_NONE;
	if (!is_live(g, held->process) || proc_has(g->proc, "%d/task/%d", pid, tid))
		held->thread = thread_of(g, held->process, tid);
	else
		held->process = MODEL_NONE;
}

static const char *unowned_text(struct model *m, const struct request *held, pid_t tid)
{
	if (held->process != MODEL_NONE)
		return NULL;
	return model_stringf(m, "thread %d has it, and has ended: nobody can give it back", tid);
}

/* Several levels of a recursive mutex are one hold: the outermost. */
static void add_holds_of(struct gather *g, const struct request *q, uint32_t resource,
			 const struct seg_holds *list, const struct thread_lock *lock)
{
	struct model *m = g->m;

	for (uint32_t i = 0; i < list->top; i++) {
		const struct seg_hold *h = &list->holds[i];

		if (h->address != q->address || h->state != SEG_HOLD_HELD ||
		    !kind_is_sane(h->kind, h->mode) || (lock && is_denied(lock, list->tid, h)))
			continue;
		struct request held = *q;

		held.mode = h->mode == SEG_MODE_READ ? MODE_READ : MODE_WRITE;
		name_owner(g, &held, list->tid);
		held.evidence = lock ? EVIDENCE_OBSERVED : EVIDENCE_RECORDED;
		uint32_t stack = memory_stack(m, q->process, h->stack, h->site);
		uint32_t l = add_lock(m, &held, resource);

		if (l == MODEL_NONE)
			return;
		m->locks.items[l].stack = stack;
		m->locks.items[l].unowned = unowned_text(m, &held, list->tid);
		m->locks.items[l].since_ns = h->flags & SEG_HOLD_TIMED ? h->since_ns : 0;
		return;
	}
}

/* Nobody's record says who has it, its memory does: taken before the recorder came, or past it. */
static void add_owner(struct gather *g, const struct request *q, uint32_t resource, pid_t owner)
{
	struct request held = *q;

	held.mode = MODE_WRITE;
	held.evidence = EVIDENCE_OBSERVED;
	name_owner(g, &held, owner);
	uint32_t l = add_lock(g->m, &held, resource);

	if (l != MODEL_NONE)
		g->m->locks.items[l].unowned = unowned_text(g->m, &held, owner);
}

static bool has_holder(const struct model *m, uint32_t resource, enum lock_mode mode)
{
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].resource == resource &&
		    m->locks.items[i].state == LOCK_HELD && m->locks.items[i].mode == mode)
			return true;
	return false;
}

/* In the list of the thread that a lock between processes names as its owner: the hold of that
 * place. */
static bool add_shared_of(struct gather *g, const struct request *q, uint32_t resource,
			  const struct seg_holds *list, const struct thread_lock *lock)
{
	pid_t pid = g->m->processes.items[q->process].pid;

	for (uint32_t i = 0; i < list->top; i++) {
		struct request held = *q;

		held.address = list->holds[i].address;
		if (!held.address || thread_lock_place(g->proc, pid, held.address, &held.place) ||
		    held.place.dev != q->place.dev || held.place.ino != q->place.ino ||
		    held.place.offset != q->place.offset)
			continue;
		add_holds_of(g, &held, resource, list, lock);
		return true;
	}
	return false;
}

/* A lock between processes: whoever has it, it is known by its number. */
static void add_shared_holds(struct gather *g, const struct request *q, uint32_t resource,
			     const struct thread_lock *lock)
{
	uint32_t count = g->m->processes.count;

	for (uint32_t p = 0; lock->owner && p < count; p++) {
		struct request held = *q;
		struct seg_holds list;
		bool is_found = false;

		held.process = p;
		if (!is_live(g, p) ||
		    !proc_has(g->proc, "%d/task/%d", g->m->processes.items[p].pid, lock->owner))
			continue;
		for (uint32_t i = 1; memory_is_of_interest(g, p) && !is_found &&
				     i <= segment_count(g->segments[p], SEG_LISTS);
		     i++)
			is_found = memory_read_list(g, p, i, &list) && list.tid == lock->owner &&
				   add_shared_of(g, &held, resource, &list, lock);
		if (!is_found)
			add_owner(g, &held, resource, lock->owner);
		return;
	}
}

static void add_holds(struct gather *g, const struct request *q, uint32_t resource)
{
	const struct segment *s = g->segments[q->process];
	struct thread_lock word, *lock = NULL;
	struct seg_holds list;

	if (is_live(g, q->process) &&
	    !thread_lock_read(g->proc, g->m->processes.items[q->process].pid, q->kind, q->address,
			      &word))
		lock = &word;
	if (q->place.ino && lock) {
		add_shared_holds(g, q, resource, lock);
		return;
	}
	for (uint32_t i = 1; i <= segment_count(s, SEG_LISTS); i++)
		if (memory_read_list(g, q->process, i, &list))
			add_holds_of(g, q, resource, &list, lock);
	if (lock && lock->is_taken && lock->owner && !has_holder(g->m, resource, MODE_WRITE))
		add_owner(g, q, resource, lock->owner);
}

/* --- requests ------------------------------------------------------------------------------------
 */

/* The innermost request; those below it were left by a handler that jumped away. */
static bool find_request(const struct seg_holds *list, struct request *q)
{
	const struct seg_hold *hold = NULL;
	uint8_t kind, mode;

	for (uint32_t i = list->top; i-- > 0 && !hold;)
		if (list->holds[i].address && list->holds[i].state == SEG_HOLD_ASKED)
			hold = &list->holds[i];
	q->hold = hold;
	q->wait = list->wait.kind == SEG_WAIT_LOCK ? &list->wait : NULL;
	if (hold && q->wait && q->wait->address != hold->address)
		q->wait = NULL;
	if (!hold && !q->wait)
		return false;
	kind = hold ? hold->kind : q->wait->hold_kind;
	mode = hold ? hold->mode : q->wait->mode;
	if (!kind_is_sane(kind, mode))
		return false;
	q->kind = lock_kinds[kind];
	q->mode = mode == SEG_MODE_READ ? MODE_READ : MODE_WRITE;
	q->address = hold ? hold->address : q->wait->address;
	q->site = hold ? hold->site : q->wait->site;
	return true;
}

bool memory_sleeps_in(const struct gather *g, uint32_t thread, uint64_t address, uint64_t bytes)
{
	const struct model_thread *t = &g->m->threads.items[thread];

	return t->syscall == SYS_futex && t->syscall_args[0] - address < bytes;
}

/* Inside of pthread_cond_wait(), which takes the mutex again. */
static bool find_retaken(const struct gather *g, const struct seg_holds *list, struct request *q)
{
	if (list->wait.kind != SEG_WAIT_CONDITION || q->thread == MODEL_NONE ||
	    !is_live(g, q->process) ||
	    !memory_sleeps_in(g, q->thread, list->wait.second, THREAD_LOCK_BYTES))
		return false;
	q->wait = NULL;
	q->hold = NULL;
	q->site = list->wait.site;
	q->kind = LOCK_MUTEX;
	q->mode = MODE_WRITE;
	q->address = list->wait.second;
	return true;
}

/* Of the living: does the kernel say that it sleeps there, or does it spin? */
static bool is_confirmed(const struct gather *g, const struct request *q)
{
	const struct model_thread *t = &g->m->threads.items[q->thread];

	if (q->kind == LOCK_SPIN)
		return t->syscall < 0 && q->wait;
	return memory_sleeps_in(g, q->thread, q->address, THREAD_LOCK_BYTES);
}

/* One that was only begun is a wait if somebody is known to have the lock. */
static bool judge_request(const struct gather *g, struct request *q)
{
	q->evidence = EVIDENCE_RECORDED;
	if (!is_live(g, q->process))
		return q->wait;
	if (q->thread == MODEL_NONE || !is_confirmed(g, q))
		return false;
	q->evidence = EVIDENCE_OBSERVED;
	return true;
}

static bool is_in_the_way(const struct model_lock *hold, const struct model_lock *l)
{
	return hold->resource == l->resource && hold->state == LOCK_HELD &&
	       (hold->mode == MODE_WRITE || l->mode == MODE_WRITE);
}

/* A reader may stand behind a writer that waits for other readers. */
static uint32_t find_blocker(const struct model *m, uint32_t lock)
{
	const struct model_lock *l = &m->locks.items[lock];
	uint32_t writer = MODEL_NONE;

	for (uint32_t i = 0; i < m->locks.count; i++) {
		const struct model_lock *other = &m->locks.items[i];

		if (is_in_the_way(other, l))
			return i;
		if (other->resource == l->resource && other->state == LOCK_WAITING &&
		    other->mode == MODE_WRITE && l->mode == MODE_READ)
			writer = i;
	}
	return writer;
}

/* Of the living: a lock that is made for several processes, in memory that they share. */
static void find_place(const struct gather *g, struct request *q)
{
	pid_t pid = g->m->processes.items[q->process].pid;
	struct thread_lock word;

	if (!is_live(g, q->process) || thread_lock_read(g->proc, pid, q->kind, q->address, &word) ||
	    !word.is_shared || thread_lock_place(g->proc, pid, q->address, &q->place))
		q->place.ino = 0;
}

static void add_request(struct gather *g, struct request *q)
{
	struct model *m = g->m;

	find_place(g, q);
	uint32_t resource = find_resource(m, q);

	if (resource == MODEL_NONE) {
		resource = add_resource(m, q);
		if (resource == MODEL_NONE)
			return;
		add_holds(g, q, resource);
	}
	uint32_t stack = memory_stack(m, q->process,
				      q->wait   ? q->wait->stack
				      : q->hold ? q->hold->stack
						: 0,
				      q->site);
	uint32_t i = add_lock(m, q, resource);

	if (i == MODEL_NONE)
		return;
	struct model_lock *l = &m->locks.items[i];

	l->state = LOCK_WAITING;
	l->stack = stack;
	l->since_ns = q->wait ? q->wait->since_ns : 0;
	l->request = q->wait ? q->wait->request : 0;
}

/* What one thread waits for: one thing at most. */
static void add_thread(struct gather *g, uint32_t process, const struct seg_holds *list)
{
	struct request q = {.process = process,
			    .thread = model_find_thread(g->m, process, list->tid)};
	struct memory_thread t = {g, process, q.thread, is_live(g, process), list};

	if (memory_wait_is_other(&t))
		return;
	if (find_request(list, &q) ? judge_request(g, &q) : find_retaken(g, list, &q))
		add_request(g, &q);
}

static bool asks_for_anything(const struct seg_holds *list)
{
	for (uint32_t i = 0; i < list->top; i++)
		if (list->holds[i].address && list->holds[i].state != SEG_HOLD_HELD)
			return true;
	return list->wait.kind != SEG_WAIT_NONE;
}

static void add_process(struct gather *g, uint32_t process)
{
	const struct segment *s = g->segments[process];
	bool has_looked = !is_live(g, process);
	struct seg_holds list;

	for (uint32_t i = 1; i <= segment_count(s, SEG_LISTS); i++) {
		if (!memory_read_list(g, process, i, &list) || !asks_for_anything(&list))
			continue;
		if (!has_looked)
			tasks_read_process(g, process);
		has_looked = true;
		add_thread(g, process, &list);
	}
}

static int collect(struct gather *g, struct collect_error *error)
{
	struct model *m = g->m;
	uint32_t first = m->locks.count, count = m->processes.count, done = 0;

	(void)error;
	for (uint32_t i = 0; i < count && done < PROCESSES_MAX; i++) {
		if (!memory_is_of_interest(g, i) || !segment_count(g->segments[i], SEG_LISTS))
			continue;
		done += is_live(g, i);
		add_process(g, i);
	}
	for (uint32_t i = first; i < m->locks.count; i++)
		if (m->locks.items[i].state == LOCK_WAITING)
			m->locks.items[i].blocker = find_blocker(m, i);
	return 0;
}

const struct source source_memory = {"memory", collect};
