/*
 * Waits in futex(): the locks of threads, and what else libc waits for there. Without the shim the
 * owner comes from the object's own memory. See waits.h and collector/proc/thread_futex.h.
 */
#include "config.h"

#include "collector/source/waits.h"

#include <inttypes.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "collector/proc/thread_lock.h"

/* --- which thread a number means ----------------------------------------------------------------
 */

/* Of the process's threads; 0: none has that number in its namespace. */
static pid_t find_thread(const struct waiting *w, pid_t number)
{
	const struct proc *proc = w->all->g->proc;
	struct proc_task task;
	pid_t found = 0;
	int *tids;

	if (w->task.depth <= 1)
		return proc_has(proc, "%d/task/%d", w->pid, number) ? number : 0;
	ssize_t count = proc_list_tasks(proc, &tids, w->pid);

	for (ssize_t i = 0; i < count && !found; i++)
		if (!proc_read_task(proc, w->pid, tids[i], &task) && task.inside == number)
			found = tids[i];
	if (count >= 0)
		free(tids);
	return found;
}

/* The process that a thread is of; 0: it is gone. */
static pid_t process_of(const struct proc *proc, pid_t tid)
{
	char text[1024];
	const char *line;

	if (proc_read_some(proc, text, sizeof(text), "%d/status", tid) <= 0)
		return 0;
	line = strstr(text, "\nTgid:");
	return line ? atoi(line + 6) : 0;
}

static bool is_thread(void *context, pid_t tid, bool is_shared)
{
	const struct waiting *w = context;

	if (find_thread(w, tid))
		return true;
	return is_shared && w->task.depth <= 1 && process_of(w->all->g->proc, tid) > 0;
}

/* --- the call and what is around its word -------------------------------------------------------
 */

static void read_limit(struct waiting *w, int operation, bool is_real)
{
	uint64_t limit = w->call.args[3];

	if (operation == FUTEX_WAIT)
		waiting_timespec(w, limit);
	else
		waiting_deadline(w, limit,
				 is_real || operation == FUTEX_LOCK_PI ? CLOCK_REALTIME
								       : CLOCK_MONOTONIC);
}

/* What cannot be read on one side, at the end of a mapping, is missing. */
static void read_around(struct waiting *w, uint64_t address, struct futex_memory *memory)
{
	unsigned size;

	memset(memory, 0, sizeof(*memory));
	for (size = FUTEX_AROUND; size >= 4 && !memory->after; size /= 2)
		if (waiting_read(w, address, memory->bytes + FUTEX_AROUND, size))
			memory->after = size;
	for (size = FUTEX_AROUND; size >= 4 && !memory->before && address > size; size /= 2)
		if (waiting_read(w, address - size, memory->bytes + FUTEX_AROUND - size, size))
			memory->before = size;
}

/* Of struct pthread, glibc 2.25 to 2.41: tcbhead_t.self (nptl/descr.h, tls.h) and tid. */
#if defined(__x86_64__)
#define SELF_AT 0x10
#define TID_AT 0x2d0
#endif

/* The thread whose control block that is; 0: it is none that we know. */
static pid_t owner_of_stream(struct waiting *w, uint64_t self)
{
#if defined(__x86_64__)
	uint64_t again;
	int32_t tid;

	if (waiting_read(w, self + SELF_AT, &again, sizeof(again)) && again == self &&
	    waiting_read(w, self + TID_AT, &tid, sizeof(tid)) && tid > 0 && find_thread(w, tid))
		return tid;
#else
	(void)w;
	(void)self;
#endif
	return 0;
}

/* --- what it is ----------------------------------------------------------------------------------
 */

static void wait_for_join(struct waiting *w, const struct futex_object *o)
{
	pid_t tid = find_thread(w, o->owner);

	waiting_is(w, WAIT_JOIN, "the end of thread %d", tid);
	waiting_need(w);
	if (!waiting_way(w, w->pid, tid, "is the thread"))
		waiting_unseen(w, "the thread is gone");
}

static void wait_for_signaller(struct waiting *w, enum wait_kind kind, const char *what,
			       uint64_t address)
{
	waiting_is(w, kind, "the %s 0x%" PRIx64, what, address);
	waiting_need(w);
	waiting_unseen(w, "nobody can tell who will %s",
		       kind == WAIT_CONDITION   ? "signal it"
		       : kind == WAIT_SEMAPHORE ? "post it"
						: "come to it");
}

static void tell(struct waiting *w, struct futex_object *o, uint64_t address)
{
	switch (o->use) {
	case FUTEX_USE_STREAM:
		o->owner = owner_of_stream(w, o->owner_self);
		if (o->owner) {
			w->lock = *o;
			return;
		}
		break;
	case FUTEX_USE_MUTEX:
	case FUTEX_USE_RWLOCK:
		w->lock = *o;
		return;
	case FUTEX_USE_JOIN:
		wait_for_join(w, o);
		return;
	case FUTEX_USE_CONDITION:
		wait_for_signaller(w, WAIT_CONDITION, "condition variable", o->address);
		return;
	case FUTEX_USE_SEMAPHORE:
		wait_for_signaller(w, WAIT_SEMAPHORE, "semaphore", o->address);
		return;
	case FUTEX_USE_BARRIER:
		wait_for_signaller(w, WAIT_BARRIER, "barrier", o->address);
		return;
	default:
		break;
	}
	waiting_is(w, WAIT_FUTEX, "a change of the word 0x%" PRIx64, address);
	waiting_need(w);
	waiting_unseen(w, "what that word of its memory means is not known");
}

void waiting_futex(struct waiting *w)
{
	int raw = (int)w->call.args[1];
	struct futex_call call = {.address = w->call.args[0],
				  .operation = raw & FUTEX_CMD_MASK,
				  .is_private = raw & FUTEX_PRIVATE_FLAG,
				  .value = (uint32_t)w->call.args[2]};
	struct futex_memory memory;
	struct futex_object object;

	read_around(w, call.address, &memory);
	futex_recognise(&call, &memory, is_thread, w, &object);
	read_limit(w, call.operation, raw & FUTEX_CLOCK_REALTIME);
	tell(w, &object, call.address);
}

/* --- into locks[] --------------------------------------------------------------------------------
 */

static const struct {
	enum lock_kind kind;
	const char *name;
} kinds[] = {
	[FUTEX_USE_MUTEX] = {LOCK_MUTEX, "mutex"},
	[FUTEX_USE_RWLOCK] = {LOCK_RWLOCK, "rwlock"},
	[FUTEX_USE_STREAM] = {LOCK_STREAM, "lock of a FILE"},
};

/* One between processes is known by the file that both map, any other by whose memory it is in. */
static uint32_t add_resource(struct waiting *w)
{
	struct thread_lock_place place;
	struct model *m = w->m;
	struct model_resource r = {
		.kind = RESOURCE_MEMORY, .process = w->process, .address = w->lock.address};

	if (w->lock.is_shared &&
	    !thread_lock_place(w->all->g->proc, w->pid, w->lock.address, &place)) {
		r.process = MODEL_NONE;
		r.dev = place.dev;
		r.ino = place.ino;
		r.address = place.offset;
	}
	for (uint32_t i = 0; i < m->resources.count; i++) {
		const struct model_resource *known = &m->resources.items[i];

		if (known->kind == RESOURCE_MEMORY && known->process == r.process &&
		    known->address == r.address && known->dev == r.dev && known->ino == r.ino)
			return i;
	}
	uint32_t i = model_add_resource(m);

	r.path = model_stringf(m, "%s 0x%" PRIx64, kinds[w->lock.use].name, w->lock.address);
	if (i != MODEL_NONE)
		m->resources.items[i] = r;
	return i;
}

static uint32_t add_lock(struct waiting *w, uint32_t resource, enum lock_mode mode)
{
	uint32_t i = model_add_lock(w->m);

	if (i == MODEL_NONE)
		return i;
	struct model_lock *l = &w->m->locks.items[i];

	l->kind = kinds[w->lock.use].kind;
	l->mode = mode;
	l->evidence = EVIDENCE_OBSERVED;
	l->resource = resource;
	l->end = MODEL_TO_EOF;
	return i;
}

/* Whether a process maps the file that a lock between processes lies in. */
static bool maps_file(const struct proc *proc, pid_t pid, const struct model_resource *r)
{
	char *text, *line;
	size_t length;
	unsigned major_number, minor_number;
	unsigned long ino;
	bool is = false;

	if (proc_read(proc, &text, &length, "%d/maps", pid))
		return false;
	for (line = text; line && !is; line = strchr(line, '\n')) {
		line += *line == '\n';
		is = sscanf(line, "%*x-%*x %*s %*x %x:%x %lu", &major_number, &minor_number,
			    &ino) == 3 &&
		     ino == r->ino && makedev(major_number, minor_number) == r->dev;
	}
	free(text);
	return is;
}

/* Whose thread the owner is, and which; false: of nobody who could have it. */
static bool find_owner(struct waiting *w, const struct model_resource *r, pid_t *pid, pid_t *tid)
{
	const struct proc *proc = w->all->g->proc;

	*pid = w->pid;
	*tid = find_thread(w, w->lock.owner);
	if (*tid)
		return true;
	if (r->process != MODEL_NONE || w->task.depth > 1)
		return false;
	*tid = w->lock.owner;
	*pid = process_of(proc, *tid);
	return *pid > 0 && maps_file(proc, *pid, r);
}

/* Nobody can be named. */
static void add_nobodys(struct waiting *w, uint32_t hold)
{
	struct model_lock *l = &w->m->locks.items[hold];

	if (!w->lock.owner) {
		l->mode = MODE_READ;
		l->unowned =
			model_stringf(w->m, "%u readers have it, or wait: libc does not tell who",
				      w->lock.readers);
		return;
	}
	if (w->lock.is_doubtful)
		l->evidence = EVIDENCE_INFERRED;
	l->unowned = w->task.depth > 1 && w->lock.is_shared
			     ? "its owner is not of this process, and of another pid namespace"
			     : model_stringf(w->m,
					     "thread %d has it, and has ended: nobody can give it "
					     "back",
					     w->lock.owner);
}

static uint32_t find_hold(const struct waiting *w, uint32_t resource)
{
	const struct model *m = w->m;

	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].resource == resource && m->locks.items[i].state == LOCK_HELD)
			return i;
	return MODEL_NONE;
}

/* MODEL_NONE: memory is out. */
static uint32_t add_hold(struct waiting *w, uint32_t resource)
{
	const struct model_resource r = w->m->resources.items[resource];
	uint32_t hold = find_hold(w, resource);
	pid_t pid, tid;

	if (hold != MODEL_NONE)
		return hold;
	hold = add_lock(w, resource, MODE_WRITE);
	if (hold == MODEL_NONE)
		return hold;
	uint32_t process = w->lock.owner && find_owner(w, &r, &pid, &tid)
				   ? gather_process(w->all->g, pid)
				   : MODEL_NONE;

	if (process == MODEL_NONE) {
		add_nobodys(w, hold);
		return hold;
	}
	w->m->locks.items[hold].process = process;
	w->m->locks.items[hold].thread = gather_thread(w->all->g, process, tid);
	waits_look_at(w->all, process);
	return hold;
}

void waiting_add_lock(struct waiting *w, const struct model_wait *wait)
{
	uint32_t resource = add_resource(w);
	uint32_t hold = resource == MODEL_NONE ? MODEL_NONE : add_hold(w, resource);
	uint32_t i = hold == MODEL_NONE ? MODEL_NONE : add_lock(w, resource, w->lock.mode);

	if (i == MODEL_NONE)
		return;
	struct model_lock *l = &w->m->locks.items[i];

	l->state = LOCK_WAITING;
	l->process = w->process;
	l->thread = w->thread;
	l->since_ns = wait->since_ns;
	l->until_ns = wait->until_ns;
	l->request = wait->request;
	l->blocker = hold;
}
