/* Lock requests: see lock.h. */
#include <errno.h>
#include <stdatomic.h>

#include "preload/descriptor.h"
#include "preload/lock.h"
#include "preload/lost.h"
#include "preload/resource.h"
#include "preload/signal.h"
#include "preload/sys.h"
#include "preload/usage.h"

static const struct range whole_file = { 0, SEG_TO_EOF };

/* --- what the request is about ---------------------------------------------------------------- */

/*
 * The description behind fd. What was noted for fd counts only if it was noted for this file; else
 * fd may be new, or share a description that is known under another descriptor.
 */
static uint64_t find_ofd(const struct lock_call *call)
{
	uint64_t ofd = descriptor_ofd(call->fd);
	uint32_t before = descriptor_resource(call->fd);

	if (ofd && before == call->resource)
		return ofd;
	if (lockset_has_ofd()) {
		uint64_t shared = lockset_find_ofd(call->resource, call->fd);

		if (shared)
			return shared;
	}
	if (!ofd || before || descriptor_other(ofd, call->fd) < 0)
		return descriptor_new_ofd();
	return ofd;
}

/* fstat costs a third of what recording adds; but a descriptor may have been closed unseen. */
static bool identify(struct lock_call *call)
{
	struct stat st;

	if (sys_fstat(call->fd, &st) < 0)
		return false;
	call->resource = resource_of(&st, call->fd);
	if (!call->resource)
		return false;
	if (call->kind != SEG_LOCK_POSIX) {
		call->ofd = find_ofd(call);
		descriptor_set_ofd(call->fd, call->ofd);
	}
	descriptor_set_resource(call->fd, call->resource);
	return true;
}

/* For an unlock: the memory of the last lock through fd saves fstat. */
static bool identify_held(struct lock_call *call)
{
	struct stat st;

	call->resource = descriptor_resource(call->fd);
	if (!call->resource && sys_fstat(call->fd, &st) == 0)
		call->resource = resource_find(st.st_dev, st.st_ino);
	if (!call->resource)
		return false;
	if (call->kind == SEG_LOCK_POSIX)
		return true;
	call->ofd = descriptor_ofd(call->fd);
	if (!call->ofd && lockset_has_ofd())
		call->ofd = lockset_find_ofd(call->resource, call->fd);
	return call->ofd != 0;
}

/* --- waits ------------------------------------------------------------------------------------ */

static void fill(const struct lock_call *call, struct seg_lock *record)
{
	struct seg_header *header = segment_get();

	record->kind = call->kind;
	record->mode = call->mode;
	record->resource = call->resource;
	record->thread = segment_thread();
	record->fd = call->fd;
	record->request = atomic_fetch_add_explicit((_Atomic uint32_t *)&header->wait_counter, 1,
						    memory_order_relaxed) + 1;
	record->start = call->range.start;
	record->end = call->range.end;
	record->ofd = call->ofd;
	record->stack = stack_capture();
}

static void set_wait(uint32_t slot)
{
	struct seg_thread *thread = segment_record(SEG_THREADS, segment_thread());

	if (!thread)
		return;
	segment_open_record(&thread->seq);
	thread->wait = slot;
	segment_publish(&thread->seq);
}

static uint32_t current_wait(void)
{
	const struct seg_thread *thread = segment_record(SEG_THREADS, segment_thread());

	return thread ? thread->wait : 0;
}

static void withdraw(uint32_t slot, int error)
{
	const struct seg_lock *record = segment_record(SEG_LOCKS, slot);

	segment_event(SEG_EV_WITHDRAWN, record->mode, error,
		      (uint64_t)record->resource << 32 | slot, record->start);
	lockset_free(slot);
}

/*
 * A wait that is on record while no handler is active was left by siglongjmp: the thread cannot
 * be in two calls.
 */
static void forget_stale_wait(void)
{
	uint32_t slot = current_wait();
	const struct seg_lock *record;

	if (shim_likely(!slot) || shim_self.frame)
		return;
	record = segment_record(SEG_LOCKS, slot);
	set_wait(0);
	if (record && record->state == SEG_LOCK_WAITING && record->thread == segment_thread())
		withdraw(slot, EINTR);
}

static void begin_wait(struct lock_call *call, uint64_t now)
{
	uint8_t held = lockset_mode_of(call->resource, call->kind, call->ofd, call->range);
	struct seg_lock *record;

	call->slot = lockset_new(&record);
	if (!call->slot)
		return;
	fill(call, record);
	record->state = SEG_LOCK_WAITING;
	record->wait_since_ns = now;
	if (held && held != call->mode)
		record->flags |= SEG_LOCK_CONVERT;
	if (shim_unlikely(shim_self.frame != NULL))
		record->use = usage_wait_begins(record, call, now);
	segment_publish(&record->seq);
	call->outer_wait = current_wait();
	set_wait(call->slot);
	segment_event_at(now, &(struct segment_event){ SEG_EV_WAIT, call->mode,
						       (int32_t)call->resource, call->slot,
						       call->range.start });
}

static void end_wait(struct lock_call *call)
{
	const struct seg_lock *record = segment_record(SEG_LOCKS, call->slot);

	if (!record)
		return;
	set_wait(call->outer_wait);
	if (shim_unlikely(record->use))
		usage_wait_ends(record, call);
}

/* --- outcomes --------------------------------------------------------------------------------- */

/* Before the grant enters the set: what it converts is held until then. */
static void note_order(const struct seg_lock *record, uint64_t now)
{
	struct edge_held held = { 0 };

	if (shim_likely(!lockset_holds()) || lockset_has_already(record))
		return;
	lockset_held(&held);
	edge_asked(&held,
		   &(struct edge_lock){ record->resource, record->stack, record->kind, record->mode,
					{ record->start, record->end }, record->ofd },
		   now);
}

static void granted(struct lock_call *call)
{
	struct lockset_change change = { .verb = LOCKSET_GRANT };
	uint64_t now = shim_now_ns();
	struct seg_lock *record;

	if (call->slot) {
		record = segment_record(SEG_LOCKS, call->slot);
		segment_open_record(&record->seq);
		record->flags &= (uint8_t)~SEG_LOCK_CONVERT;
	} else {
		if (call->blocking || !identify(call))
			return;
		call->slot = lockset_new(&record);
		if (!call->slot)
			return;
		fill(call, record);
		record->wait_since_ns = now;
	}
	record->state = SEG_LOCK_HELD;
	record->hold_since_ns = now;
	if (signal_handled() && !record->use)
		usage_taken(record, call->blocking, now);
	segment_publish(&record->seq);
	if (call->blocking)
		note_order(record, now);
	change.slot = call->slot;
	lockset_submit(&change);
	if (shim_unlikely(lost_is_open()) && call->kind == SEG_LOCK_POSIX)
		lost_relocked(call->resource, call->range);
	segment_event_at(now, &(struct segment_event){ SEG_EV_ACQUIRED, call->mode,
						       (int32_t)call->resource,
						       (uint64_t)call->kind << 32 | call->slot,
						       call->range.start });
}

static struct lockset_change change_of(const struct lock_call *call, enum lockset_verb verb)
{
	return (struct lockset_change){
		.verb = (uint8_t)verb,
		.kind = call->kind,
		.mode = call->mode,
		.resource = call->resource,
		.thread = segment_thread(),
		.fd = call->fd,
		.range = call->range,
		.ofd = call->ofd,
	};
}

static void release(struct lock_call *call)
{
	struct lockset_change change = change_of(call, LOCKSET_RELEASE);

	change.undo = &call->undo;
	lockset_submit(&change);
	if (shim_unlikely(shim_self.frame != NULL))
		usage_dropped(&change);
	/* Nobody measures by this time: the clock that ticks with the timer will do. */
	segment_event_at(shim_coarse_ns(), &(struct segment_event){ SEG_EV_RELEASED, 0, call->kind,
								    call->resource,
								    call->range.start });
}

/*
 * A request that does not wait was refused: somebody else has it. flock's conversion gives the
 * old lock up before it looks for conflicts, so a refusal leaves the owner with nothing.
 */
static void refused(struct lock_call *call, int error)
{
	struct lockset_change change;
	uint64_t now = shim_now_ns();

	if (!identify(call))
		return;
	if (call->kind == SEG_LOCK_FLOCK && lockset_has_ofd()) {
		change = change_of(call, LOCKSET_RELEASE);
		lockset_submit(&change);
	}
	change = change_of(call, LOCKSET_REFUSED);
	change.now_ns = now;
	change.stack = stack_capture();
	lockset_submit(&change);
	segment_event_at(change.now_ns,
			 &(struct segment_event){ SEG_EV_REFUSED, call->mode, error,
						  (uint64_t)call->resource << 32,
						  call->range.start });
}

static bool is_refusal(int error)
{
	return error == EAGAIN || error == EACCES;
}

/* An unlock tells that the program believes in the lock: it may have lost it, or never had it. */
static void note_unlock(const struct lock_call *call, bool is_known)
{
	uint32_t resource = is_known ? call->resource : 0;
	uint64_t moment = lockset_moment();

	if (shim_unlikely(lost_is_open()) && resource &&
	    lost_unlocked(resource, call->fd, call->range))
		return;
	if (resource && lockset_mode_of(resource, SEG_LOCK_POSIX, 0, call->range))
		return;
	if (moment && moment == lockset_moment())
		lost_never_held(call->fd, call->range);
}

/* --- the wrappers' side ------------------------------------------------------------------------ */

/* Handlers that were left without a return are none of this request's. */
static void prune_handlers(void)
{
	if (shim_unlikely(shim_self.frame != NULL))
		trampoline_active((uintptr_t)__builtin_frame_address(0));
}

bool lock_begin(struct lock_call *call)
{
	int saved_errno;
	uint64_t now;

	prune_handlers();
	if (call->kind == SEG_LOCK_FLOCK)
		call->range = whole_file;
	call->slot = 0;
	call->outer_wait = 0;
	call->ofd = 0;
	call->undo.count = 0;
	if (call->mode && !call->blocking)
		return true;
	if (!shim_begin(&saved_errno))
		return false;
	call->epoch = segment_epoch();
	forget_stale_wait();
	if (!call->mode) {
		bool is_known = identify_held(call);

		if (call->kind == SEG_LOCK_POSIX)
			note_unlock(call, is_known);
		if (is_known)
			release(call);
	} else if (identify(call)) {
		now = shim_now_ns();
		/* The old mode is gone as soon as flock waits, see refused(). */
		if (call->kind == SEG_LOCK_FLOCK && lockset_has_ofd() &&
		    lockset_mode_of(call->resource, call->kind, call->ofd, call->range) ==
			    3 - call->mode)
			release(call);
		begin_wait(call, now);
	}
	shim_end(saved_errno);
	return true;
}

/*
 * The segment is another one than at the request: a handler forked, and this is the child; or the recorder
 * was taken off and attached again. What is known of the request is in the old one. Its grant is ours.
 */
static void forget_begin(struct lock_call *call)
{
	call->slot = 0;
	call->outer_wait = 0;
	call->undo.count = 0;
	call->blocking = false;
}

void lock_end(struct lock_call *call, int error)
{
	int saved_errno;

	if ((!call->mode && !error) || !shim_begin(&saved_errno))
		return;
	if (shim_unlikely(call->epoch != segment_epoch()) && (call->blocking || !call->mode))
		forget_begin(call);
	if (call->blocking)
		end_wait(call);
	if (call->mode && error == 0)
		granted(call);
	else if (call->slot)
		withdraw(call->slot, error);
	else if (call->mode && !call->blocking && is_refusal(error))
		refused(call, error);
	if (error && call->undo.count && !(call->mode && error == EINTR))
		lockset_restore(&call->undo);
	shim_end(saved_errno);
}

void lock_cancelled(struct lock_call *call)
{
	lock_end(call, EINTR);
}

/* --- close ------------------------------------------------------------------------------------- */

bool lock_close_matters(int fd)
{
	if (shim_likely(fd >= descriptor_limit() && !lockset_has_posix() && !lost_is_open()))
		return false;
	return !shim_is_off() && (lockset_has_posix() || lockset_has_ofd() || lost_is_open() ||
				       lockset_has_polling() || descriptor_ofd(fd));
}

static void drop_posix(int fd)
{
	struct lockset_change change = { .verb = LOCKSET_DROP_POSIX, .kind = SEG_LOCK_POSIX };
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return;
	change.resource = resource_find(st.st_dev, st.st_ino);
	if (!change.resource || !lockset_has_posix_on(change.resource))
		return;
	change.fd = fd;
	change.thread = segment_thread();
	change.stack = stack_capture();
	change.now_ns = shim_now_ns();
	change.range = whole_file;
	lockset_submit(&change);
	if (shim_unlikely(shim_self.frame != NULL))
		usage_dropped(&change);
}

static void drop_ofd(int fd)
{
	struct lockset_change change = { .verb = LOCKSET_MOVE };

	change.ofd = descriptor_ofd(fd);
	change.resource = descriptor_resource(fd);
	if (!change.ofd || !change.resource)
		return;
	change.fd = descriptor_other(change.ofd, fd);
	if (change.fd < 0) {
		change.verb = LOCKSET_DROP_OFD;
		change.now_ns = shim_now_ns();
	} else {
		descriptor_set_resource(change.fd, change.resource);
	}
	lockset_submit(&change);
}

void lock_close(int fd)
{
	struct lockset_change change = { .verb = LOCKSET_END_POLLING, .fd = fd };
	int saved_errno;

	prune_handlers();
	/* Without a segment this process has recorded nothing that a close could end. */
	if (segment_get() && shim_begin(&saved_errno)) {
		change.resource = descriptor_resource(fd);
		if (lockset_has_polling() && change.resource)
			lockset_submit(&change);
		if (shim_unlikely(lost_is_open()))
			lost_closed(fd);
		if (lockset_has_posix())
			drop_posix(fd);
		if (lockset_has_ofd())
			drop_ofd(fd);
		shim_end(saved_errno);
	}
	if (!shim_is_off())
		descriptor_closed(fd);
}
