/*
 * See thread_futex.h. Layouts: glibc 2.25 to 2.41, 64 bit. sysdeps/nptl/bits/struct_mutex.h,
 * struct_rwlock.h, pthreadtypes.h (pthread_cond_t: bits/thread-shared-types.h); nptl/pthreadP.h for
 * the bits of a mutex's __kind; nptl/sem_waitcommon.c (struct new_sem), nptl/pthread_barrier_wait.c
 * (struct pthread_barrier), nptl/pthread_join_common.c (the word is the thread's number, cleared by
 * the kernel), sysdeps/nptl/stdio-lock.h (_IO_lock_t).
 */
#include "config.h"

#include "collector/proc/thread_futex.h"

#include <linux/futex.h>
#include <string.h>

#define TID_MAX (1u << 22)   /* the kernel's PID_MAX_LIMIT */
#define COUNT_MAX (1u << 20) /* of threads, that anything is shared by */

struct view {
	const struct futex_call *call;
	const struct futex_memory *memory;
	futex_is_thread *is_thread;
	void *context;
};

/* The bytes from `from` to `to`, counted from the word, could be read. */
static bool has(const struct view *v, int from, int to)
{
	return -from <= (int)v->memory->before && to <= (int)v->memory->after;
}

static uint32_t word(const struct view *v, int offset)
{
	uint32_t value;

	memcpy(&value, v->memory->bytes + FUTEX_AROUND + offset, sizeof(value));
	return value;
}

static uint64_t long_word(const struct view *v, int offset)
{
	return word(v, offset) | (uint64_t)word(v, offset + 4) << 32;
}

static bool is_thread(const struct view *v, uint32_t tid, bool is_shared)
{
	return tid && tid <= INT32_MAX && v->is_thread(v->context, (pid_t)tid, is_shared);
}

static void found(struct futex_object *o, const struct view *v, enum futex_use use, int before)
{
	o->use = use;
	o->address = v->call->address - before;
}

/* --- mutexes ------------------------------------------------------------------------------------
 */

#define KIND_TYPE 0x3u /* normal, recursive, error-checking, adaptive */
#define KIND_ROBUST 0x10u
#define KIND_PI 0x20u
#define KIND_PROTECT 0x40u
#define KIND_SHARED 0x80u
#define KIND_ELISION 0x300u
#define KIND_KNOWN (KIND_TYPE | KIND_ROBUST | KIND_PI | KIND_PROTECT | KIND_SHARED | KIND_ELISION)

static bool is_waited_for(const struct view *v, uint32_t kind)
{
	uint32_t now = word(v, 0);
	int operation = v->call->operation;

	if (kind & KIND_PI)
		return operation == FUTEX_LOCK_PI || operation == FUTEX_LOCK_PI2;
	if (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET)
		return false;
	if (kind & KIND_ROBUST)
		return now & FUTEX_WAITERS && now == v->call->value;
	if (kind & KIND_PROTECT) /* the rest of the word is the ceiling of its priorities */
		return false;
	return now == 2 && v->call->value == 2;
}

static bool is_mutex(const struct view *v, struct futex_object *o)
{
	if (!has(v, 0, 40))
		return false;
	uint32_t count = word(v, 4), owner = word(v, 8), users = word(v, 12), kind = word(v, 16);
	bool is_kernels = kind & (KIND_ROBUST | KIND_PI);

	if (kind & ~KIND_KNOWN || !is_waited_for(v, kind) || users > COUNT_MAX ||
	    (!(kind & KIND_SHARED)) != v->call->is_private)
		return false;
	/* Only a recursive one counts (the kernel's at random), and only a robust one is in a list.
	 */
	if (!is_kernels && ((kind & KIND_TYPE) == 1) != (count != 0))
		return false;
	if (!(kind & KIND_ROBUST) && (long_word(v, 24) || long_word(v, 32)))
		return false;
	if (is_kernels)
		owner = word(v, 0) & FUTEX_TID_MASK;
	o->has_dead_owner = is_kernels && word(v, 0) & FUTEX_OWNER_DIED;
	o->is_shared = kind & KIND_SHARED;
	/* The kernel's word tells that its owner ended. In an ordinary one it is a mere number. */
	if (!is_thread(v, owner, o->is_shared)) {
		o->is_doubtful = !is_kernels;
		o->has_dead_owner = true;
		if (!is_kernels && (users != 1 || !owner || owner > TID_MAX))
			return false;
	}
	o->owner = (pid_t)owner;
	o->mode = MODE_WRITE;
	found(o, v, FUTEX_USE_MUTEX, 0);
	return true;
}

/* --- locks of readers and writers ----------------------------------------------------------------
 */

#define PHASE_WRITE 1u /* of __wrphase_futex; and its waiters */
#define FUTEX_USED 2u
#define READERS_SHIFT 3
#define FLAGS_MAX 3u

/* `before`: how far the word is from its begin. */
static bool is_rwlock_at(const struct view *v, int before, struct futex_object *o)
{
	if (!has(v, -before, 56 - before))
		return false;
	uint32_t readers = word(v, -before), writers = word(v, 4 - before),
		 phase = word(v, 8 - before), taken = word(v, 12 - before);
	uint32_t writer = word(v, 24 - before), shared = word(v, 28 - before);

	if (readers >> READERS_SHIFT > COUNT_MAX || (writers & ~(1u << 31)) > COUNT_MAX ||
	    phase > 3 || taken > 3 || word(v, 16 - before) || word(v, 20 - before) || shared > 1 ||
	    long_word(v, 32 - before) || long_word(v, 40 - before) ||
	    word(v, 48 - before) > FLAGS_MAX || (!shared) != v->call->is_private)
		return false;
	if (writer ? !is_thread(v, writer, shared) : !(readers >> READERS_SHIFT))
		return false;
	/* A reader waits until the phase is no writer's; a writer until it is, or for a writer. */
	if (before == 8 && (v->call->value & PHASE_WRITE)) {
		if (!writer)
			return false;
		o->mode = MODE_READ;
	} else {
		o->mode = MODE_WRITE;
	}
	o->owner = (pid_t)writer;
	o->readers = writer ? 0 : readers >> READERS_SHIFT;
	o->is_shared = shared;
	found(o, v, FUTEX_USE_RWLOCK, before);
	return true;
}

static bool is_rwlock(const struct view *v, struct futex_object *o)
{
	return v->call->operation == FUTEX_WAIT_BITSET && v->call->value & FUTEX_USED &&
	       v->call->value <= 3 && word(v, 0) == v->call->value &&
	       (is_rwlock_at(v, 8, o) || is_rwlock_at(v, 12, o));
}

/* --- others --------------------------------------------------------------------------------------
 */

/* _IO_lock_t: the lock, how often, and the owner's thread control block. */
static bool is_stream(const struct view *v, struct futex_object *o)
{
	if (!has(v, 0, 16) || v->call->operation != FUTEX_WAIT || !v->call->is_private ||
	    v->call->value != 2 || word(v, 0) != 2)
		return false;
	uint64_t owner = long_word(v, 8);

	/* User space, a page at least: a number is none. */
	if (!word(v, 4) || word(v, 4) > COUNT_MAX || owner < 1u << 20 || owner >> 56 || owner & 15)
		return false;
	o->owner_self = owner;
	o->mode = MODE_WRITE;
	found(o, v, FUTEX_USE_STREAM, 0);
	return true;
}

/* The thread's number, which the kernel clears and wakes whoever waits: never private. */
static bool is_join(const struct view *v, struct futex_object *o)
{
	if (v->call->is_private || word(v, 0) != v->call->value ||
	    v->call->operation != FUTEX_WAIT_BITSET || !is_thread(v, v->call->value, false))
		return false;
	o->owner = (pid_t)v->call->value;
	found(o, v, FUTEX_USE_JOIN, 0);
	return true;
}

/* One of the two __g_signals at its end; users of this group, and waiters at all. */
static bool is_condition_at(const struct view *v, int before, struct futex_object *o)
{
	if (!has(v, -before, 48 - before))
		return false;
	int group = (before - 40) / 4;
	uint32_t users = word(v, 16 + 4 * group - before), waiters = word(v, 36 - before);
	bool is_shared = waiters & 1;

	if (users < 2 || users >> 1 > COUNT_MAX || waiters >> 3 == 0 || waiters >> 3 > COUNT_MAX ||
	    is_shared == v->call->is_private || word(v, 24 - before) > COUNT_MAX ||
	    word(v, 28 - before) > COUNT_MAX ||
	    long_word(v, 8 - before) > long_word(v, -before) * 2)
		return false;
	o->is_shared = is_shared;
	found(o, v, FUTEX_USE_CONDITION, before);
	return true;
}

/* Value and waiters, then whether it is private (libc keeps the kernel's flag there). */
static bool is_semaphore(const struct view *v, struct futex_object *o)
{
	if (!has(v, 0, 32) || v->call->value || word(v, 0))
		return false;
	uint32_t waiters = word(v, 4), flag = word(v, 8);

	if (!waiters || waiters > COUNT_MAX || (flag && flag != FUTEX_PRIVATE_FLAG) || word(v, 12))
		return false;
	o->is_shared = !v->call->is_private;
	found(o, v, FUTEX_USE_SEMAPHORE, 0);
	return true;
}

/* in, current_round, count, shared, out */
static bool is_barrier(const struct view *v, struct futex_object *o)
{
	if (!has(v, -4, 16) || v->call->operation != FUTEX_WAIT || word(v, 0) != v->call->value)
		return false;
	uint32_t in = word(v, -4), round = word(v, 0), count = word(v, 4), shared = word(v, 8);

	if (count < 2 || count > COUNT_MAX || (shared && shared != FUTEX_PRIVATE_FLAG) ||
	    round % count || in <= round || in - round >= count || word(v, 12) > in)
		return false;
	o->is_shared = !v->call->is_private;
	found(o, v, FUTEX_USE_BARRIER, 4);
	return true;
}

void futex_recognise(const struct futex_call *call, const struct futex_memory *memory,
		     futex_is_thread *threads, void *context, struct futex_object *object)
{
	struct view v = {call, memory, threads, context};
	static bool (*const uses[])(const struct view *, struct futex_object *) = {
		is_mutex, is_rwlock, is_stream, is_join, NULL};

	*object = (struct futex_object){.address = call->address};
	if (!has(&v, 0, 4))
		return;
	for (int i = 0; uses[i] && !object->use; i++)
		if (!uses[i](&v, object))
			*object = (struct futex_object){.address = call->address};
	if (object->use)
		return;
	if (call->operation == FUTEX_WAIT_BITSET) {
		if (is_condition_at(&v, 40, object) || is_condition_at(&v, 44, object))
			return;
		is_semaphore(&v, object);
	} else {
		is_barrier(&v, object);
	}
}
