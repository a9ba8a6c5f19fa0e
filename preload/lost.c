/* Lost POSIX locks: see lost.h. */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/descriptor.h"
#include "preload/lost.h"
#include "preload/resource.h"
#include "preload/shim.h"
#include "preload/stack.h"
#include "preload/sys.h"

#define MAX_AT_FORK 8

/* A lock of the parent; a copy in our own memory, which is the child's as well. */
struct forked_lock {
	struct seg_lock lock;
	uint64_t dev, ino;
	uint32_t frames;
	uint64_t pcs[STACK_MAX_FRAMES];
};

static struct {
	_Atomic uint64_t open; /* epoch << 32 | how many */
	uint64_t fork_epoch;   /* whose locks these are */
	uint64_t fork_ns;
	uint32_t forked;
	struct forked_lock at_fork[MAX_AT_FORK];
} lost;

/* --- which are open ------------------------------------------------------------------------------- */

bool lost_is_open(void)
{
	return (uint32_t)atomic_load_explicit(&lost.open, memory_order_relaxed) != 0;
}

/* The count of a parent means nothing in its child. */
static void count_open(int by)
{
	uint64_t epoch = segment_epoch() & UINT32_MAX, old = atomic_load(&lost.open), count;

	do {
		count = old >> 32 == epoch ? (uint32_t)old : 0;
		if (by < 0 && !count)
			return;
	} while (!atomic_compare_exchange_weak(&lost.open, &old,
					       epoch << 32 | (uint32_t)(count + (uint64_t)by)));
}

static uint32_t used(void)
{
	return segment_get()->tables[SEG_LOST].used;
}

static bool is_open_on(const struct seg_lost *record, uint32_t resource, struct range range)
{
	return record && record->seq && record->end == SEG_LOST_BELIEVED &&
	       record->resource == resource && record->how <= SEG_LOST_DUP &&
	       range_overlaps((struct range){ record->start, record->end_byte }, range);
}

/* --- losses --------------------------------------------------------------------------------------- */

static bool is_equal(const struct seg_lost *a, const struct seg_lost *b)
{
	return a->how == b->how && a->resource == b->resource && a->stack == b->stack &&
	       a->lock_stack == b->lock_stack && a->mode == b->mode && a->start == b->start &&
	       a->end_byte == b->end_byte;
}

/* It happened again, in the same way. */
static void again(struct seg_lost *record, const struct seg_lost *what)
{
	bool was_open = record->end == SEG_LOST_BELIEVED;

	segment_open_record(&record->seq);
	record->count++;
	record->end = what->end;
	record->lost_ns = what->lost_ns;
	record->ended_ns = what->ended_ns;
	record->taken_ns = what->taken_ns;
	record->fd = what->fd;
	record->closed_fd = what->closed_fd;
	record->unlocked += what->unlocked;
	segment_publish(&record->seq);
	if (what->end == SEG_LOST_BELIEVED && !was_open)
		count_open(1);
}

static void add(const struct seg_lost *what)
{
	struct seg_lost *record;
	uint32_t seq;

	for (uint32_t i = 1; i <= used(); i++) {
		record = segment_record(SEG_LOST, i);
		if (record && record->seq && is_equal(record, what)) {
			again(record, what);
			return;
		}
	}
	if (!segment_append(SEG_LOST, (void **)&record))
		return;
	seq = record->seq;
	*record = *what;
	record->seq = seq;
	record->first_ns = what->lost_ns;
	record->count = 1;
	segment_publish(&record->seq);
	if (what->end == SEG_LOST_BELIEVED)
		count_open(1);
}

static bool leads_to(int fd, uint32_t resource)
{
	const struct seg_resource *record = segment_record(SEG_RESOURCES, resource);
	struct stat st;

	return record && fd >= 0 && sys_fstat(fd, &st) == 0 && st.st_dev == record->key1 &&
	       st.st_ino == record->key2;
}

/* How the close of `closed` is a loss, and the descriptor that is left; 0: it is an unlock. */
static enum seg_lost_how judge_close(const struct seg_lock *lock, int closed, int *left)
{
	uint64_t ofd = descriptor_ofd(closed);

	*left = lock->fd;
	if (lock->fd != closed)
		return leads_to(lock->fd, lock->resource) ? SEG_LOST_CLOSE : 0;
	*left = ofd ? descriptor_other(ofd, closed) : -1;
	return *left >= 0 && leads_to(*left, lock->resource) ? SEG_LOST_DUP : 0;
}

void lost_by_close(const struct seg_lock *lock, const struct lockset_change *change)
{
	struct seg_lost what = {
		.resource = lock->resource,
		.stack = change->stack,
		.lock_stack = lock->stack,
		.mode = lock->mode,
		.closed_fd = change->fd,
		.thread = change->thread,
		.start = lock->start,
		.end_byte = lock->end,
		.taken_ns = lock->hold_since_ns,
		.lost_ns = change->now_ns,
	};

	what.how = (uint8_t)judge_close(lock, change->fd, &what.fd);
	if (what.how)
		add(&what);
}

/* --- ends ----------------------------------------------------------------------------------------- */

/* Who has a lock against ours now: 0 nobody, -1 an open file description's. */
static int find_other(int fd, const struct seg_lost *record)
{
	struct flock lock = {
		.l_type = record->mode == SEG_MODE_WRITE ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)record->start,
		.l_len = record->end_byte == SEG_TO_EOF
				 ? 0
				 : (off_t)(record->end_byte - record->start + 1),
	};

	if (sys3(SYS_fcntl, fd, F_GETLK, (long)&lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid ? lock.l_pid : -1;
}

static void end(struct seg_lost *record, enum seg_lost_end how, int fd)
{
	int other = fd >= 0 ? find_other(fd, record) : 0;
	uint64_t now = shim_now_ns();

	segment_open_record(&record->seq);
	record->end = (uint8_t)how;
	record->ended_ns = now;
	if (now - record->lost_ns > record->longest_ns)
		record->longest_ns = now - record->lost_ns;
	record->unlocked += how == SEG_LOST_UNLOCKED;
	if (other) {
		record->other_pid = other;
		record->other_ns = now;
	}
	segment_publish(&record->seq);
	count_open(-1);
}

bool lost_unlocked(uint32_t resource, int fd, struct range range)
{
	bool found = false;

	for (uint32_t i = 1; i <= used(); i++) {
		struct seg_lost *record = segment_record(SEG_LOST, i);

		if (!is_open_on(record, resource, range))
			continue;
		end(record, SEG_LOST_UNLOCKED, fd);
		found = true;
	}
	return found;
}

void lost_closed(int fd)
{
	for (uint32_t i = 1; i <= used(); i++) {
		struct seg_lost *record = segment_record(SEG_LOST, i);

		if (record && record->fd == fd &&
		    is_open_on(record, record->resource, (struct range){ 0, SEG_TO_EOF }))
			end(record, SEG_LOST_CLOSED, leads_to(fd, record->resource) ? fd : -1);
	}
}

void lost_relocked(uint32_t resource, struct range range)
{
	for (uint32_t i = 1; i <= used(); i++) {
		struct seg_lost *record = segment_record(SEG_LOST, i);

		if (is_open_on(record, resource, range))
			end(record, SEG_LOST_RELOCKED, -1);
	}
}

/* --- what was never there --------------------------------------------------------------------------- */

static const struct forked_lock *find_forked(const struct stat *st, struct range range)
{
	if (lost.fork_epoch == segment_epoch())
		return NULL; /* our own */
	for (uint32_t i = 0; i < lost.forked; i++) {
		const struct forked_lock *f = &lost.at_fork[i];

		if (f->dev == st->st_dev && f->ino == st->st_ino &&
		    range_overlaps((struct range){ f->lock.start, f->lock.end }, range))
			return f;
	}
	return NULL;
}

void lost_never_held(int fd, struct range range)
{
	struct seg_lost what = { .how = SEG_LOST_NEVER, .end = SEG_LOST_UNLOCKED, .fd = fd,
				 .closed_fd = -1, .unlocked = 1 };
	const struct forked_lock *forked;
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return;
	what.resource = resource_of(&st, fd);
	if (!what.resource)
		return;
	what.thread = segment_thread();
	what.stack = stack_capture();
	what.start = range.start;
	what.end_byte = range.end;
	what.lost_ns = what.ended_ns = shim_now_ns();
	forked = find_forked(&st, range);
	if (forked) {
		what.how = SEG_LOST_FORK;
		what.mode = forked->lock.mode;
		what.lock_stack = stack_intern(forked->pcs, forked->frames);
		what.taken_ns = forked->lock.hold_since_ns;
		what.lost_ns = lost.fork_ns;
	}
	add(&what);
}

/* --- fork ------------------------------------------------------------------------------------------- */

static void remember(const struct seg_lock *lock)
{
	const struct seg_resource *resource = segment_record(SEG_RESOURCES, lock->resource);
	struct forked_lock *f;

	if (!resource || lost.forked == MAX_AT_FORK)
		return;
	f = &lost.at_fork[lost.forked++];
	f->lock = *lock;
	f->dev = resource->key1;
	f->ino = resource->key2;
	f->frames = stack_copy(lock->stack, f->pcs);
}

void lost_before_fork(void)
{
	int saved_errno;

	lost.forked = 0;
	if (!segment_get() || !lockset_has_posix() || !shim_begin(&saved_errno))
		return;
	lost.fork_epoch = segment_epoch();
	lost.fork_ns = shim_now_ns();
	lockset_each_posix(remember);
	shim_end(saved_errno);
}
