/*
 * See usage.h. Which record a request has is kept in a private index, as the table of the segment is not to
 * be searched at each lock: the usual answer is one look into it. Keys hold the epoch, so that a forked
 * child does not find its parent's.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "preload/lockset_list.h"
#include "preload/sys.h"
#include "preload/usage.h"

#define SLOTS 1024 /* of the index; a power of two, well above the table's capacity */
#define PROBES 32
#define KEPT_OF_PLACE 16 /* files and ranges of one place in the code */
#define HOLDS_MAX 1024   /* records of locks that are looked at when a handler begins */
#define NOBODY UINT32_MAX

struct slot {
	_Atomic uint64_t key;   /* 0 = free */
	_Atomic uint32_t value; /* of a use: its index, 0 while it is written; of a place: how many uses */
	_Atomic uint32_t first; /* of a place: its first use */
};

static struct {
	struct slot slots[SLOTS];
	_Atomic uint64_t epoch;
} index_;

/* What a record is about. */
struct usage {
	const struct seg_lock *lock;
	uint32_t handler;
	uint8_t role;
	uint8_t flags;
	uint64_t handled;
};

/* --- the index ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
	return hash ^ hash >> 32;
}

static uint64_t place_key(const struct usage *u)
{
	uint64_t hash = mix(segment_epoch(), (uint64_t)u->lock->stack << 32 | u->handler);

	hash = mix(hash, (uint64_t)u->role << 24 | (uint64_t)u->flags << 16 | u->lock->kind << 8 |
				 u->lock->mode);
	return hash ? hash : 1;
}

static uint64_t use_key(const struct usage *u, uint64_t place)
{
	uint64_t hash = mix(place, u->lock->resource);

	hash = mix(hash, u->lock->start);
	hash = mix(hash, u->lock->end);
	hash = mix(hash, u->handled);
	return hash ? hash : 1;
}

/* Our ancestors' entries only take room. The first event of a child has no other thread beside it. */
static void start_epoch(void)
{
	uint64_t epoch = segment_epoch(), old = atomic_load_explicit(&index_.epoch, memory_order_relaxed);

	if (shim_likely(old == epoch) || !atomic_compare_exchange_strong(&index_.epoch, &old, epoch))
		return;
	if (old)
		memset(index_.slots, 0, sizeof(index_.slots));
}

static struct slot *find(uint64_t key)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		struct slot *slot = &index_.slots[(key + i) % SLOTS];
		uint64_t found = atomic_load_explicit(&slot->key, memory_order_acquire);

		if (shim_likely(found == key))
			return slot;
		if (!found)
			return NULL;
	}
	return NULL;
}

static struct slot *insert(uint64_t key)
{
	for (uint32_t i = 0; i < PROBES; i++) {
		struct slot *slot = &index_.slots[(key + i) % SLOTS];
		uint64_t found = 0;

		if (atomic_compare_exchange_strong(&slot->key, &found, key) || found == key)
			return slot;
	}
	return NULL;
}

/* --- records --------------------------------------------------------------------------------- */

static void add(uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit((_Atomic uint64_t *)counter, n, memory_order_relaxed);
}

static uint64_t exposed(uint64_t handled)
{
	uint64_t blocked = 0;

	if (sys4(SYS_rt_sigprocmask, 0, NULL, &blocked, sizeof(blocked)) < 0)
		return 0;
	return handled & ~blocked;
}

static uint32_t write_record(const struct usage *u, uint64_t now_ns)
{
	struct seg_use *record;
	uint32_t index = segment_append(SEG_USES, (void **)&record);

	if (!index)
		return 0;
	record->role = u->role;
	record->kind = u->lock->kind;
	record->mode = u->lock->mode;
	record->flags = u->flags;
	record->resource = u->lock->resource;
	record->handler = u->handler;
	record->stack = u->lock->stack;
	record->thread = segment_thread();
	record->start = u->lock->start;
	record->end = u->lock->end;
	record->ofd = u->lock->ofd;
	record->exposed = u->role == SEG_USE_TAKEN ? exposed(u->handled) : 0;
	record->count = u->role == SEG_USE_TAKEN && !u->handler ? 1 : 0;
	record->first_ns = record->last_ns = now_ns;
	segment_publish(&record->seq);
	return index;
}

/* Each place keeps its first few; how many more there are is noted with the first. */
static bool is_place_full(uint64_t place, struct slot **slot)
{
	struct seg_use *first;

	*slot = find(place);
	if (!*slot)
		*slot = insert(place);
	if (!*slot)
		return true;
	if (atomic_load(&(*slot)->value) < KEPT_OF_PLACE)
		return false;
	first = segment_record(SEG_USES, atomic_load(&(*slot)->first));
	if (first)
		atomic_fetch_add_explicit((_Atomic uint32_t *)&first->left_out, 1,
					  memory_order_relaxed);
	return true;
}

/* A handler that interrupts the writer of the same record does without. */
static uint32_t add_use(const struct usage *u, uint64_t place, uint64_t key, uint64_t now_ns)
{
	struct slot *of_place, *of_use;
	uint32_t index, none = 0;

	if (is_place_full(place, &of_place) || (of_use = insert(key)) == NULL ||
	    !atomic_compare_exchange_strong(&of_use->value, &none, NOBODY))
		return 0;
	atomic_fetch_add(&of_place->value, 1);
	index = write_record(u, now_ns);
	none = 0;
	if (index)
		atomic_compare_exchange_strong(&of_place->first, &none, index);
	atomic_store_explicit(&of_use->value, index ? index : NOBODY, memory_order_release);
	return index;
}

/* The index of its record, made if need be; 0 none. */
static uint32_t find_use(const struct usage *u, uint64_t now_ns)
{
	uint64_t place = place_key(u), key = use_key(u, place);
	struct slot *slot;
	uint32_t index;

	start_epoch();
	slot = find(key);
	if (shim_unlikely(!slot))
		return add_use(u, place, key, now_ns);
	index = atomic_load_explicit(&slot->value, memory_order_acquire);
	return index == NOBODY ? 0 : index;
}

static struct seg_use *count(uint32_t index, uint64_t now_ns)
{
	struct seg_use *record = segment_record(SEG_USES, index);

	if (!record)
		return NULL;
	add(&record->count, 1);
	atomic_store_explicit((_Atomic uint64_t *)&record->last_ns, now_ns, memory_order_relaxed);
	return record;
}

/* --- requests -------------------------------------------------------------------------------- */

static struct usage usage_of(const struct seg_lock *lock, bool is_blocking)
{
	const struct shim_frame *frame = shim_self.frame;

	return (struct usage){
		.lock = lock,
		/* Of this segment: the handler may have forked. */
		.handler = shim_unlikely(frame != NULL) ? signal_record(frame->disposition) : 0,
		.role = SEG_USE_TAKEN,
		.flags = is_blocking ? SEG_USE_BLOCKING : 0,
		.handled = signal_handled(),
	};
}

/* A handler that has no record cannot be named: its requests must not pass for others'. */
static bool is_nameless(const struct usage *u)
{
	return shim_unlikely(shim_self.frame != NULL) && !u->handler;
}

void usage_taken(const struct seg_lock *lock, bool is_blocking, uint64_t now_ns)
{
	struct usage usage = usage_of(lock, is_blocking);
	uint32_t index = is_nameless(&usage) ? 0 : find_use(&usage, now_ns);

	if (shim_unlikely(usage.handler))
		count(index, now_ns);
}

/* How often the thread has gone to sleep by itself: what the scheduler did to it does not count. */
static uint64_t sleeps(void)
{
	struct rusage usage;

	return sys2(SYS_getrusage, RUSAGE_THREAD, &usage) < 0 ? 0 : (uint64_t)usage.ru_nvcsw;
}

/* Whose lock stands in the way: a pid, -1 for one of a description, 0 nobody's. */
static int32_t find_holder(const struct lock_call *call)
{
	struct flock lock = {
		.l_type = call->mode == SEG_MODE_WRITE ? F_WRLCK : F_RDLCK,
		.l_start = (off_t)call->range.start,
		.l_len = call->range.end == SEG_TO_EOF ?
				 0 :
				 (off_t)(call->range.end - call->range.start + 1),
	};
	int command = call->kind == SEG_LOCK_POSIX ? F_GETLK : F_OFD_GETLK;

	if (call->kind == SEG_LOCK_FLOCK || sys3(SYS_fcntl, call->fd, command, &lock) < 0)
		return 0;
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

uint32_t usage_wait_begins(const struct seg_lock *lock, struct lock_call *call, uint64_t now_ns)
{
	struct usage usage = usage_of(lock, true);
	uint32_t index = is_nameless(&usage) ? 0 : find_use(&usage, now_ns);
	struct seg_use *record = count(index, now_ns);

	call->switches = 0;
	if (!record)
		return 0;
	atomic_store_explicit((_Atomic int32_t *)&record->holder, find_holder(call),
			      memory_order_relaxed);
	if (record->holder)
		call->switches = sleeps() + 1;
	return index;
}

void usage_wait_ends(const struct seg_lock *lock, const struct lock_call *call)
{
	struct seg_use *record = segment_record(SEG_USES, lock->use);
	uint64_t waited = shim_now_ns() - lock->wait_since_ns, seen;

	/* A sleep alone is no proof: who reads /proc/locks keeps everybody from locking meanwhile. */
	if (!record || !call->switches || sleeps() + 1 == call->switches)
		return;
	seen = atomic_load((_Atomic uint64_t *)&record->waited_ns);
	while (seen < waited && !atomic_compare_exchange_weak((_Atomic uint64_t *)&record->waited_ns,
							      &seen, waited))
		;
}

/* --- what a handler came into ----------------------------------------------------------------- */

void usage_interrupted_holding(struct shim_frame *frame, const struct seg_lock *hold,
			       uint64_t now_ns)
{
	struct usage usage = {.lock = hold, .handler = frame->record, .role = SEG_USE_INTERRUPTED};
	uint32_t index = find_use(&usage, now_ns);

	if (!count(index, now_ns))
		return;
	if (frame->held_count < SEG_HELD)
		frame->held[frame->held_count] = index;
	frame->held_count++;
}

/* A copy; false for one that is being changed, also by the code that was interrupted. */
static bool read_lock(uint32_t number, struct seg_lock *copy)
{
	const struct seg_lock *lock = lockset_record(number);
	uint32_t seq = atomic_load_explicit((const _Atomic uint32_t *)&lock->seq, memory_order_acquire);

	*copy = *lock;
	atomic_thread_fence(memory_order_acquire);
	return !(seq & 1) &&
	       atomic_load_explicit((const _Atomic uint32_t *)&lock->seq, memory_order_relaxed) == seq;
}

void usage_interrupted(struct shim_frame *frame, uint64_t now_ns)
{
	uint32_t used = segment_get()->tables[SEG_LOCKS].used;
	struct seg_lock hold;

	frame->held_epoch = segment_epoch();
	memset(frame->held, 0, sizeof(frame->held));
	for (uint32_t i = 1; i <= used && i <= HOLDS_MAX; i++)
		if (lockset_record(i)->state == SEG_LOCK_HELD && read_lock(i, &hold) &&
		    hold.state == SEG_LOCK_HELD && hold.thread == segment_thread())
			usage_interrupted_holding(frame, &hold, now_ns);
}

/* One verb for unlocks, which are of one owner, and closes, which end all POSIX locks on the file. */
static bool is_given_up(const struct seg_use *use, const struct lockset_change *change)
{
	return use->role == SEG_USE_INTERRUPTED && use->kind == change->kind &&
	       use->resource == change->resource && use->ofd == change->ofd &&
	       range_overlaps((struct range){use->start, use->end}, change->range);
}

void usage_dropped(const struct lockset_change *change)
{
	const struct shim_frame *frame = shim_self.frame;

	if (!frame || frame->held_epoch != segment_epoch())
		return;
	for (uint32_t i = 0; i < frame->held_count && i < SEG_HELD; i++) {
		struct seg_use *use = segment_record(SEG_USES, frame->held[i]);

		if (use && is_given_up(use, change))
			add(&use->dropped, 1);
	}
}
