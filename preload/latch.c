/* The shim in a program that was running already: see latch.h. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "preload/descriptor.h"
#include "preload/latch.h"
#include "preload/latch_environment.h"
#include "preload/latch_loader.h"
#include "preload/latch_lock.h"
#include "preload/latch_signal.h"
#include "preload/latch_slot.h"
#include "preload/latch_thunk.h"
#include "preload/latch_wrapper.h"
#include "preload/lookup.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/signal.h"
#include "preload/sys.h"

#define NAPS 500
#define NAP_NS 1000000
#define PASSES 4 /* over all objects, while threads bind calls */

SHIM_EXPORT int64_t lockjam_attach(const char *directory);
SHIM_EXPORT int64_t lockjam_detach(void);

static struct {
	bool is_able;             /* the constructor found all that is needed */
	_Atomic int32_t busy;     /* pid of the process that is in a verb */
	_Atomic bool is_attached;
	_Atomic uint64_t calls;   /* words changed and not put back */
	/* Objects are added at the end of the loader's list; this was the last that was looked at. */
	_Atomic(const struct link_map *) last;
} latch;

void latch_init(void)
{
	segment_set_late();
	process_init_late();
	latch.is_able = lookup_own_module() && latch_loader_find() && latch_wrapper_init() && real()->_dl_find_object;
}

/* --- what both verbs need ------------------------------------------------------------------------- */

/* The time of a change: no handler of the program in this thread, and the loader's list stands still. */
struct session {
	uint64_t mask;
	int saved_errno;
};

static int64_t begin(struct session *s)
{
	int32_t busy = atomic_load(&latch.busy), pid = sys_getpid();
	uint64_t all = ~UINT64_C(0);

	if (!lookup_is_late())
		return -EALREADY; /* since its start */
	if (!latch.is_able)
		return -ENOTSUP;
	/* What a process was doing that forked us is not our business. */
	if (busy == pid || !atomic_compare_exchange_strong(&latch.busy, &busy, pid))
		return -EBUSY;
	if (shim_self.depth || shim_self.in_vfork || !latch_loader_wait()) {
		atomic_store(&latch.busy, 0);
		return -EBUSY;
	}
	s->saved_errno = errno;
	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &s->mask, sizeof(all));
	return 0;
}

static int64_t end(const struct session *s, int64_t result)
{
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &s->mask, NULL, sizeof(s->mask));
	errno = s->saved_errno;
	latch_loader_release();
	atomic_store(&latch.busy, 0);
	return result;
}

/* Until no thread is in our code that records. They do not wait for us. */
static bool await_quiet(void)
{

	for (int i = 0; i < NAPS && !segment_is_quiet(); i++)
		sys_nap(NAP_NS);
	return segment_is_quiet();
}

/* --- attach ---------------------------------------------------------------------------------------- */

/*
 * A thread that binds a call at the same moment writes over what we wrote: again, until a pass finds
 * nothing. What is left then is unseen, no more.
 */
static int64_t redirect(void)
{
	const struct link_map *last = NULL;
	int64_t sum = 0, more;

	for (int i = 0; i < PASSES; i++) {
		more = latch_slot_redirect(NULL, &last);
		if (more < 0 && !sum)
			return more;
		if (more <= 0)
			break;
		sum += more;
	}
	atomic_store(&latch.last, last);
	return sum ? sum : -ENOTSUP;
}

/* The first records: in a bracket. */
static void describe(int64_t calls, bool is_partial)
{
	const struct seg_header *header = segment_get();

	segment_event(SEG_EV_START, 0, 0, header->image, 0);
	segment_event(SEG_EV_ATTACH, 0, 0, (uint64_t)calls, 0);
	for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next)
		if (m->l_ld)
			module_note((uintptr_t)m->l_ld);
	if (is_partial)
		segment_limit(SEG_LIMIT_PARTIAL);
	signal_note_all();
}

/* The shim stands aside until all is in place; only the locks are taken over while it records. */
static int64_t start(const char *directory)
{
	bool is_partial;
	int saved_errno;
	int64_t calls;
	int error;

	if (!await_quiet())
		return -EBUSY;
	error = segment_file_set_directory(directory);
	descriptor_reset();
	error = error < 0 ? error : segment_next_image();
	if (error < 0)
		return error;
	segment_get()->attached = 1;
	calls = redirect();
	if (calls < 0) {
		process_discarded();
		return calls;
	}
	is_partial = latch_slot_is_partial();
	is_partial |= !latch_signal_take_over();
	is_partial |= !latch_environment_begin(segment_file_directory());
	atomic_store(&latch.calls, (uint64_t)calls);
	atomic_store(&latch.is_attached, true);
	atomic_fetch_and(&shim_aside, ~(uint32_t)SHIM_ASIDE_DETACHED);
	if (shim_begin(&saved_errno)) {
		describe(calls, is_partial);
		latch_lock_take_over();
		shim_end(saved_errno);
	}
	return calls;
}

int64_t lockjam_attach(const char *directory)
{
	struct session session;
	int64_t result = begin(&session);

	if (result < 0)
		return result;
	return end(&session, atomic_load(&latch.is_attached) ? -EALREADY : start(directory));
}

/* --- detach ---------------------------------------------------------------------------------------- */

static int64_t stop(void)
{
	int64_t sum = 0, more;

	/* First: from here on every wrapper only calls on, and a sigaction() leads to the kernel. */
	atomic_fetch_or(&shim_aside, SHIM_ASIDE_DETACHED);
	latch_environment_end();
	await_quiet();
	/* Before the calls: whoever asks for a disposition must not be shown our trampoline. */
	latch_signal_give_back();
	for (int i = 0; i < PASSES; i++) {
		more = latch_slot_restore();
		if (more < 0 && !sum) {
			latch_signal_take_over();
			latch_environment_begin(segment_file_directory());
			atomic_fetch_and(&shim_aside, ~(uint32_t)SHIM_ASIDE_DETACHED);
			return more;
		}
		if (more <= 0)
			break;
		sum += more;
	}
	process_detached((uint64_t)sum);
	atomic_store(&latch.is_attached, false);
	return sum;
}

int64_t lockjam_detach(void)
{
	struct session session;
	int64_t result = begin(&session);

	if (result < 0)
		return result;
	return end(&session, atomic_load(&latch.is_attached) ? stop() : -ENOENT);
}

/* --- objects that are loaded later ------------------------------------------------------------------ */

void latch_before_load(void)
{
	shim_self.is_loading = 1;
}

/* Another object may come to stand where one that we know was. */
void latch_before_unload(void)
{
	atomic_store(&latch.last, NULL);
}

/*
 * In dlopen() itself, in a constructor, the loader's lock is this thread's, and nothing is done yet. A handler
 * may have interrupted dlopen() before it had the lock.
 */
void latch_follow(void)
{
	const struct link_map *last = NULL;
	int64_t more;

	if (!shim_self.is_loading || shim_self.frame || shim_self.in_vfork || !latch_loader_try())
		return;
	shim_self.is_loading = 0;
	if (!shim_is_aside()) {
		more = latch_slot_redirect(atomic_load(&latch.last), &last);
		atomic_store(&latch.last, last);
		atomic_fetch_add(&latch.calls, more > 0 ? (uint64_t)more : 0);
	}
	latch_loader_release();
}

void latch_before_symbol(void)
{
	int saved_errno = errno;

	if (shim_unlikely(shim_self.is_loading))
		latch_follow();
	errno = saved_errno;
}
