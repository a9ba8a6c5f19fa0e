/* See hold.h. */
#include <stdatomic.h>
#include <string.h>

#include <sys/single_threaded.h>

#include "preload/hold.h"
#include "preload/sys.h"

#define RECYCLE_LOOKS 8 /* lists that are looked at for one whose thread has ended */

/* --- the thread's list -------------------------------------------------------------------------- */

static bool has_ended(const struct seg_holds *list)
{
	return sys3(SYS_tgkill, sys_getpid(), list->tid, 0) == -ESRCH;
}

/* Claimed by its tid, as two threads may come by at once. What an ended thread holds stays on record. */
static bool claim(struct seg_holds *list)
{
	int32_t tid = list->tid;

	return tid > 0 && !list->top && has_ended(list) &&
	       atomic_compare_exchange_strong((_Atomic int32_t *)&list->tid, &tid, shim_self.tid);
}

static struct seg_holds *recycle(const struct seg_header *header)
{
	static _Atomic uint32_t hand;
	uint32_t used = header->tables[SEG_LISTS].used;

	for (uint32_t n = 0; n < RECYCLE_LOOKS && n < used; n++) {
		struct seg_holds *list =
			segment_record(SEG_LISTS, atomic_fetch_add(&hand, 1) % used + 1);

		if (list && claim(list))
			return list;
	}
	return NULL;
}

static struct seg_holds *new_list(void)
{
	struct seg_holds *list = recycle(segment_get());

	if (!list && !segment_append(SEG_LISTS, (void **)&list))
		return NULL;
	segment_open_record(&list->seq);
	memset(&list->wait, 0, sizeof(list->wait));
	list->lost = 0;
	list->thread = segment_thread();
	list->tid = shim_self.tid;
	list->self = (uint64_t)pthread_self();
	segment_publish(&list->seq);
	return list;
}

/* In a bracket. NULL: no room. */
static struct seg_holds *own_list(void)
{
	if (shim_likely(shim_self.holds))
		return shim_self.holds;
	shim_self.holds = new_list();
	if (segment_is_late())
		return shim_self.holds;
	if (track_level() == TRACK_FULL)
		shim_self.quick = shim_self.holds;
	else
		shim_self.counts = shim_self.holds;
	return shim_self.holds;
}

/*
 * A forked child makes no segment for a lock that nobody could want of it: it has one thread, and most
 * such children execute another program soon.
 */
static bool is_worth_a_segment(bool waits)
{
	return segment_get() || waits || !__libc_single_threaded;
}

/* --- waits -------------------------------------------------------------------------------------- */

/* No handler is active, so what the list says is asked for was left by siglongjmp(). */
static void forget_stale(struct seg_holds *list)
{
	if (shim_self.frame)
		return;
	while (list->top && (!list->holds[list->top - 1].address ||
			     list->holds[list->top - 1].state == SEG_HOLD_ASKED))
		hold_withdraw(list, &list->holds[list->top - 1]);
}

/* Places in between that were given back out of order. */
static void compact(struct seg_holds *list)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->top; i++) {
		struct seg_hold *hold = &list->holds[i];

		if (!hold->address)
			continue;
		if (kept != i) {
			uint64_t address = hold->address;

			list->holds[kept] = *hold;
			atomic_store((_Atomic uint64_t *)&list->holds[kept].address, address);
			hold->address = 0;
		}
		kept++;
	}
	list->top = kept;
}

static struct seg_hold *ask(struct seg_holds *list, const struct hold_call *call)
{
	if (!hold_has_room(list) && !shim_self.frame)
		compact(list);
	if (hold_has_room(list))
		return hold_ask(list, call->address, call->site, call->kind, call->mode);
	return NULL;
}

static void set_wait(struct seg_holds *list, const struct seg_thread_wait *wait)
{
	segment_open_record(&list->seq);
	list->wait = *wait;
	segment_publish(&list->seq);
}

/* The rest of what is recorded of a wait: where, since when, which one. */
static void fill_wait(struct seg_thread_wait *wait, bool is_timed)
{
	struct seg_header *header = segment_get();

	wait->flags = is_timed ? SEG_WAIT_UNTIL : 0;
	wait->stack = stack_capture();
	wait->since_ns = shim_now_ns();
	wait->request = atomic_fetch_add_explicit((_Atomic uint32_t *)&header->wait_counter, 1,
						  memory_order_relaxed) + 1;
}

static void begin_wait(struct seg_holds *list, struct hold_call *call)
{
	struct seg_thread_wait wait = {
		.kind = SEG_WAIT_LOCK,
		.hold_kind = call->kind,
		.mode = call->mode,
		.address = call->address,
		.site = call->site,
	};

	fill_wait(&wait, call->is_timed);
	call->outer = list->wait;
	if (call->hold)
		call->hold->stack = wait.stack;
	set_wait(list, &wait);
}

/* --- acquiring ---------------------------------------------------------------------------------- */

void hold_begin(struct hold_call *call)
{
	struct seg_holds *list;
	int saved_errno;

	call->hold = NULL;
	call->epoch = 0;
	if (!is_worth_a_segment(call->is_busy) || !shim_begin(&saved_errno))
		return;
	list = own_list();
	if (list && track_level() == TRACK_FULL) {
		call->epoch = segment_epoch();
		forget_stale(list);
		call->hold = ask(list, call);
		if (call->is_busy)
			begin_wait(list, call);
	} else if (list) {
		list->acquired++;
		list->busy += call->is_busy;
	}
	shim_end(saved_errno);
}

static void settle(struct seg_holds *list, struct hold_call *call, int result)
{
	bool is_granted = result == 0 || result == EOWNERDEAD;

	if (call->is_busy)
		set_wait(list, &call->outer);
	if (!call->hold) {
		list->lost += is_granted;
		list->lost_ever += is_granted;
		return;
	}
	if (is_granted && call->is_busy) {
		list->busy++;
		call->hold->since_ns = shim_now_ns();
		call->hold->flags |= SEG_HOLD_TIMED;
	}
	hold_settle(list, call->hold, result);
}

/*
 * The segment may be another one than at the request: a handler forked, and this is the child; or the
 * recorder was taken off meanwhile. What is known of the request is in the old one.
 */
void hold_end(struct hold_call *call, int result)
{
	int saved_errno;

	if (!call->epoch || !shim_begin(&saved_errno))
		return;
	if (call->epoch == segment_epoch() && shim_self.holds)
		settle(shim_self.holds, call, result);
	shim_end(saved_errno);
}

void hold_took(const struct hold_call *call, int result)
{
	struct hold_call taken = *call;

	hold_begin(&taken);
	hold_end(&taken, result);
}

/* --- releasing ---------------------------------------------------------------------------------- */

static struct seg_hold *find(struct seg_holds *list, uint64_t address)
{
	for (uint32_t i = list->top < SEG_HOLDS_MAX ? list->top : SEG_HOLDS_MAX; i-- > 0;)
		if (list->holds[i].address == address && list->holds[i].state == SEG_HOLD_HELD)
			return &list->holds[i];
	return NULL;
}

/* Given back by another thread than took it: the one write to a list that is not its owner's. */
static struct seg_hold *release_foreign(uint64_t address)
{
	uint32_t used = segment_get()->tables[SEG_LISTS].used;

	for (uint32_t i = 1; i <= used; i++) {
		struct seg_holds *list = segment_record(SEG_LISTS, i);
		uint32_t top = list && list != shim_self.holds ? list->top : 0;

		for (uint32_t n = top < SEG_HOLDS_MAX ? top : SEG_HOLDS_MAX; n-- > 0;) {
			uint64_t expected = address;

			if (list->holds[n].address == address &&
			    list->holds[n].state == SEG_HOLD_HELD &&
			    atomic_compare_exchange_strong(
				    (_Atomic uint64_t *)&list->holds[n].address, &expected, 0))
				return &list->holds[n];
		}
	}
	return NULL;
}

static struct seg_hold *release_own(struct seg_holds *list, uint64_t address)
{
	struct seg_hold *hold = find(list, address);
	uint32_t top;

	if (!hold)
		return NULL;
	atomic_store_explicit((_Atomic uint64_t *)&hold->address, 0, memory_order_release);
	top = list->top;
	while (top && !list->holds[top - 1].address)
		top--;
	list->top = top;
	return hold;
}

__attribute__((noinline)) struct seg_hold *hold_release_other(uint64_t address)
{
	struct seg_hold *hold = NULL;
	int saved_errno;

	track_real();
	if (!segment_get() || track_level() != TRACK_FULL || !shim_begin(&saved_errno))
		return NULL;
	if (shim_self.holds)
		hold = release_own(shim_self.holds, address);
	if (!hold && shim_self.holds && shim_self.holds->lost)
		shim_self.holds->lost--;
	else if (!hold)
		hold = release_foreign(address);
	shim_end(saved_errno);
	return hold;
}

/* The thread's own, as only who holds a lock finds that it may not be given back. */
void hold_put_back(struct seg_hold *hold, uint64_t address)
{
	struct seg_holds *list = shim_self.holds;

	if (!list || hold < list->holds || hold >= list->holds + SEG_HOLDS_MAX)
		return;
	atomic_store_explicit((_Atomic uint64_t *)&hold->address, address, memory_order_release);
	if (list->holds + list->top <= hold)
		list->top = (uint32_t)(hold - list->holds) + 1;
}

/* --- waits for other things than locks ---------------------------------------------------------- */

/* In the thread's list, in a bracket; NULL where nothing is recorded. */
static struct seg_holds *begin_other(int *saved_errno, bool waits)
{
	if (track_level() != TRACK_FULL || !is_worth_a_segment(waits) || !shim_begin(saved_errno))
		return NULL;
	if (own_list())
		return shim_self.holds;
	shim_end(*saved_errno);
	return NULL;
}

void hold_wait_begin(struct hold_wait *wait)
{
	struct seg_thread_wait record = {
		.kind = wait->kind,
		.address = wait->address,
		.second = wait->second,
		.site = wait->site,
	};
	int saved_errno;
	struct seg_holds *list = begin_other(&saved_errno, true);

	wait->epoch = 0;
	wait->lent = NULL;
	if (!list)
		return;
	forget_stale(list);
	wait->outer = list->wait;
	wait->epoch = segment_epoch();
	fill_wait(&record, wait->is_timed);
	if (wait->second)
		wait->lent = find(list, wait->second);
	set_wait(list, &record);
	if (wait->lent)
		atomic_store((_Atomic uint8_t *)&wait->lent->state, SEG_HOLD_LENT);
	shim_end(saved_errno);
}

static bool is_still_lent(const struct hold_wait *wait)
{
	return wait->lent && wait->lent->address == wait->second &&
	       wait->lent->state == SEG_HOLD_LENT;
}

void hold_wait_end(struct hold_wait *wait, bool is_kept)
{
	int saved_errno;

	if (!wait->epoch || !shim_begin(&saved_errno))
		return;
	if (wait->epoch == segment_epoch() && shim_self.holds) {
		set_wait(shim_self.holds, &wait->outer);
		if (is_still_lent(wait))
			atomic_store((_Atomic uint8_t *)&wait->lent->state, SEG_HOLD_HELD);
		if (wait->lent && !is_kept)
			release_own(shim_self.holds, wait->second);
	}
	shim_end(saved_errno);
}

void hold_wait_cancelled(void *wait)
{
	hold_wait_end(wait, true);
}

/* --- semaphores --------------------------------------------------------------------------------- */

/* Who takes it again and again, and never posts it, has it once: in its former place, mostly the last. */
void hold_took_semaphore(uint64_t address, uint64_t site)
{
	struct seg_holds *list = hold_quick();
	int saved_errno;

	if (shim_likely(list && hold_has_room(list))) {
		if (!find(list, address))
			hold_settle(list, hold_ask(list, address, site, SEG_HOLD_SEMAPHORE, SEG_MODE_WRITE),
				    0);
		return;
	}
	list = begin_other(&saved_errno, false);
	if (!list)
		return;
	if (!hold_has_room(list) && !shim_self.frame)
		compact(list);
	if (!find(list, address) && hold_has_room(list))
		hold_settle(list, hold_ask(list, address, site, SEG_HOLD_SEMAPHORE, SEG_MODE_WRITE), 0);
	shim_end(saved_errno);
}

bool hold_posts_semaphore(uint64_t address)
{
	struct seg_holds *list = hold_quick();
	bool was_taken;
	int saved_errno;

	if (shim_likely(list))
		return release_own(list, address);
	list = begin_other(&saved_errno, false);
	if (!list)
		return false;
	was_taken = release_own(list, address);
	shim_end(saved_errno);
	return was_taken;
}
