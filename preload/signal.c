/*
 * The table of signal dispositions: see signal.h.
 *
 * Readers are trampolines, at any instruction of a writer, so a disposition is written once into
 * a bounded pool and then only pointed to. Equal ones are found again, which also bounds what a
 * program that installs its handlers over and over can use. When the pool is full the program's
 * handler is installed as it is, without us.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/latch_signal.h"
#include "preload/lookup.h"
#include "preload/real.h"
#include "preload/signal.h"
#include "preload/sys.h"

#define POOL 512
#define KERNEL_SIGSET 8 /* bytes of the kernel's signal set */

enum fate {
	REPLACED, /* by SIG_DFL or SIG_IGN; also: never was */
	CURRENT,
	RESET /* SA_RESETHAND */
};
enum slot_state {
	SLOT_FREE,
	SLOT_FILLING,
	SLOT_READY
};

static struct {
	struct disposition pool[POOL];
	_Atomic uint8_t states[POOL];
	/* Of each signal the handler that was installed last, and what became of it. */
	_Atomic(struct disposition *) last[SIGNAL_COUNT + 1];
	_Atomic uint8_t fates[SIGNAL_COUNT + 1];
	_Atomic uint64_t handled; /* signals whose fate is CURRENT */
	_Atomic int queried; /* the signal that was only asked about, by the last call of all */
	_Atomic uint64_t carried_epoch; /* the segment that has the records of all current ones */
} table;

const struct disposition *signal_disposition(int signo)
{
	if (signo < 1 || signo > SIGNAL_COUNT)
		return NULL;
	return atomic_load_explicit(&table.last[signo], memory_order_acquire);
}

static void set_fate(int signo, enum fate fate)
{
	uint64_t bit = UINT64_C(1) << (signo - 1);

	atomic_store(&table.fates[signo], fate);
	if (fate == CURRENT)
		atomic_fetch_or(&table.handled, bit);
	else
		atomic_fetch_and(&table.handled, ~bit);
}

uint64_t signal_handled(void)
{
	return atomic_load_explicit(&table.handled, memory_order_relaxed);
}

/* --- the pool -------------------------------------------------------------------------------- */

static bool is_same(const struct disposition *a, const struct disposition *b)
{
	return a->handler == b->handler && a->mask == b->mask && a->signo == b->signo &&
	       a->flags == b->flags;
}

/* The pool's copy of `wanted`, or NULL when it is full. */
static struct disposition *intern(const struct disposition *wanted)
{
	uint64_t hash = (wanted->handler ^ wanted->mask * 31 ^ (uint64_t)wanted->signo << 32 ^
			 (uint32_t)wanted->flags) *
			UINT64_C(0x9e3779b97f4a7c15);

	for (uint32_t tried = 0; tried < POOL; tried++) {
		uint32_t i = (uint32_t)(hash >> 40) + tried;
		struct disposition *d = &table.pool[i %= POOL];
		uint8_t state = SLOT_FREE;

		if (atomic_compare_exchange_strong(&table.states[i], &state, SLOT_FILLING)) {
			d->handler = wanted->handler;
			d->mask = wanted->mask;
			d->signo = wanted->signo;
			d->flags = wanted->flags;
			atomic_store_explicit(&table.states[i], SLOT_READY, memory_order_release);
			return d;
		}
		if (state == SLOT_READY && is_same(d, wanted))
			return d;
	}
	return NULL;
}

static struct disposition *intern_action(int signo, const struct sigaction *act)
{
	struct disposition wanted = {
		.handler = (uintptr_t)act->sa_sigaction,
		.signo = signo,
		.flags = act->sa_flags,
	};

	/* Read from the kernel without libc, and handed back: means what stands behind it. */
	if (act->sa_sigaction == signal_trampoline && signal_disposition(signo))
		wanted.handler = signal_disposition(signo)->handler;
	memcpy(&wanted.mask, &act->sa_mask, KERNEL_SIGSET);
	return intern(&wanted);
}

/* --- records --------------------------------------------------------------------------------- */

static uint32_t append_record(struct disposition *d, uint64_t epoch)
{
	bool is_current =
		atomic_load(&table.fates[d->signo]) == CURRENT && signal_disposition(d->signo) == d;
	struct seg_handler *record;
	uint32_t index = segment_append(SEG_HANDLERS, (void **)&record);

	if (index) {
		record->signo = d->signo;
		record->handler = d->handler;
		record->mask = d->mask;
		record->flags = (uint32_t)d->flags;
		record->current = is_current;
		segment_publish(&record->seq);
		module_note(d->handler);
	}
	atomic_store(&d->record, epoch << 32 | index);
	return index;
}

static void carry(void);

uint32_t signal_record(const struct disposition *disposition)
{
	struct disposition *d = (struct disposition *)disposition;
	uint64_t epoch = segment_epoch() & UINT32_MAX;
	uint64_t record = atomic_load(&d->record);

	if (shim_likely(record >> 32 == epoch))
		return (uint32_t)record;
	carry();
	record = atomic_load(&d->record);
	return record >> 32 == epoch ? (uint32_t)record : append_record(d, epoch);
}

/* A new segment (a forked child's) learns all inherited handlers, not only those that run. */
static void carry(void)
{
	uint64_t epoch = segment_epoch();

	if (shim_likely(atomic_exchange(&table.carried_epoch, epoch) == epoch))
		return;
	for (int signo = 1; signo <= SIGNAL_COUNT; signo++)
		if (atomic_load(&table.fates[signo]) == CURRENT)
			signal_record(signal_disposition(signo));
}

/* What became of a disposition. */
enum state { STATE_REPLACED, STATE_RESET, STATE_INSTALLED };

static void set_state(const struct disposition *d, enum state state, uint32_t ways)
{
	uint32_t index = d ? signal_record(d) : 0;
	struct seg_handler *record = segment_record(SEG_HANDLERS, index);
	bool is_install = state == STATE_INSTALLED, is_reset = state == STATE_RESET;

	if (!record || (!record->current && record->was_reset == is_reset && !is_install))
		return;
	segment_open_record(&record->seq);
	record->current = is_install;
	record->was_reset = is_reset;
	record->ways |= ways;
	if (is_install && record->installs++ == 0)
		record->stack = stack_capture();
	segment_publish(&record->seq);
	if (is_install)
		segment_event(SEG_EV_INSTALL, 0, d->signo, index, 0);
}

/*
 * A child that has recorded nothing yet does not get a segment for this alone: between fork and
 * exec it is usual to put handlers back, and carry() tells later what is in force.
 */
static void record_change(const struct disposition *old, const struct disposition *installed,
			  enum seg_install way)
{
	int saved_errno;

	if (segment_is_pending())
		return;
	if (!shim_begin(&saved_errno))
		return;
	carry();
	if (old && old != installed)
		set_state(old, STATE_REPLACED, 0);
	if (installed)
		set_state(installed, STATE_INSTALLED, way);
	shim_end(saved_errno);
}

void signal_was_reset(const struct disposition *d)
{
	set_fate(d->signo, RESET);
	set_state(d, STATE_RESET, 0);
}

/* --- installing ------------------------------------------------------------------------------ */

/*
 * While table and kernel disagree no handler may run in this thread: it could install another
 * disposition in between. Signals that a fault raises stay open, or the fault would kill.
 */
static uint64_t block_signals(bool is_late)
{
	uint64_t all = ~(UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGBUS - 1) |
			 UINT64_C(1) << (SIGILL - 1) | UINT64_C(1) << (SIGFPE - 1) |
			 UINT64_C(1) << (SIGTRAP - 1) | UINT64_C(1) << (SIGSYS - 1));
	uint64_t old = 0;

	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, KERNEL_SIGSET);
	if (is_late)
		latch_signal_enter();
	return old;
}

static void restore_signals(uint64_t old, bool is_late)
{
	if (is_late)
		latch_signal_leave();
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, KERNEL_SIGSET);
}

/* Turns what the kernel says back into what the program had set, when `d` was installed. */
static void translate(struct sigaction *old, const struct disposition *d, uint8_t fate)
{
	if (!d)
		return;
	if (old->sa_sigaction == signal_trampoline)
		old->sa_sigaction = (void (*)(int, siginfo_t *, void *))d->handler;
	else if (fate == REPLACED || old->sa_handler != SIG_DFL || !(old->sa_flags & SA_RESETHAND))
		return; /* not ours, or not what the kernel left of ours */
	if (!(d->flags & SA_SIGINFO))
		old->sa_flags &= ~SA_SIGINFO;
}

/* Signals that can have no handler of the program: libc or the kernel says what is wrong. */
static bool is_refused(int signo)
{
	return signo < 1 || signo > SIGNAL_COUNT || signo == SIGKILL || signo == SIGSTOP ||
	       signo == 32 || signo == 33; /* glibc's own: SIGCANCEL and SIGSETXID */
}

/*
 * A vfork child, or one made by clone(CLONE_VM): its table of dispositions is not ours. A sealed
 * process is treated alike.
 */
static bool is_guest(void)
{
	struct seg_header *header = segment_get();

	return shim_is_off() || (header && header->pid != sys_getpid());
}

/* It must not change the table: that is the parent's. */
static int install_unseen(int signo, const struct sigaction *act, struct sigaction *oldact)
{
	bool is_gated = lookup_is_late() && !shim_self.in_vfork;
	uint64_t mask = is_gated ? block_signals(true) : 0;
	struct sigaction was;
	int ret = real()->sigaction(signo, act, &was);

	if (is_gated)
		restore_signals(mask, true);
	if (ret == 0 && oldact) {
		translate(&was, signal_disposition(signo), atomic_load(&table.fates[signo]));
		*oldact = was;
	}
	return ret;
}

/* --- for latch_signal.c: what the kernel has, installed without us -------------------------------- */

bool signal_note(int signo, const struct sigaction *act)
{
	struct disposition *d = act ? intern_action(signo, act) : NULL;

	if (act && !d)
		return false;
	if (d)
		atomic_store_explicit(&table.last[signo], d, memory_order_release);
	set_fate(signo, d ? CURRENT : REPLACED);
	return true;
}

void signal_note_all(void)
{
	carry();
}

/* What stood in the table and in the kernel before a change. */
struct before {
	struct disposition *last;
	uint8_t fate;
	struct sigaction was;
};

/* `installed` is the pool's copy of what `ours` stands in for, NULL where ours is the program's
 * own. */
static int change(int signo, const struct sigaction *ours, struct disposition *installed,
		  struct before *before)
{
	bool is_late = lookup_is_late();
	uint64_t mask = block_signals(is_late);
	int ret;

	before->last = atomic_load(&table.last[signo]);
	before->fate = atomic_load(&table.fates[signo]);
	/* Before the kernel: the trampoline may run from its word on. */
	if (installed)
		atomic_store_explicit(&table.last[signo], installed, memory_order_release);
	ret = real()->sigaction(signo, ours, &before->was);
	if (ret == 0 && ours)
		set_fate(signo, installed ? CURRENT : REPLACED);
	restore_signals(mask, is_late);
	return ret;
}

/* Who asks first and puts the same handler back changes its flags on purpose (python3 does). */
static enum seg_install way_of(int signo, const struct before *before,
			       const struct disposition *installed, enum seg_install way)
{
	bool is_asked = atomic_exchange(&table.queried, 0) == signo;

	if (is_asked && installed && before->fate == CURRENT && before->last &&
	    before->last->handler == installed->handler)
		return SEG_INSTALL_CHANGE;
	return way;
}

/* The pool is full: the program has its handler, directly, and nobody sees what it does. */
static void count_unseen(void)
{
	atomic_fetch_add_explicit((_Atomic uint32_t *)&SEG_TABLE(segment_get(), SEG_HANDLERS).dropped, 1,
				  memory_order_relaxed);
}

int signal_install(int signo, const struct sigaction *act, struct sigaction *oldact,
		   enum seg_install way)
{
	struct disposition *installed = NULL;
	struct before before = {0};
	struct sigaction ours;
	int result;

	if (is_refused(signo))
		return real()->sigaction(signo, act, oldact);
	if (is_guest() || !segment_enter())
		return install_unseen(signo, act, oldact);
	if (act) {
		ours = *act;
		if (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN) {
			installed = intern_action(signo, act);
			if (!installed)
				count_unseen();
		}
	}
	if (installed) {
		ours.sa_sigaction = signal_trampoline;
		ours.sa_flags |= SA_SIGINFO;
	}
	result = change(signo, act ? &ours : NULL, installed, &before);
	segment_leave();
	if (result < 0)
		return -1;
	translate(&before.was, before.last, before.fate);
	if (!act)
		atomic_store(&table.queried, signo);
	else
		record_change(before.fate == REPLACED ? NULL : before.last, installed,
			      way_of(signo, &before, installed, way));
	if (oldact)
		*oldact = before.was;
	return 0;
}

void signal_refresh(int signo, enum seg_install way)
{
	struct sigaction now;

	if (is_refused(signo) || is_guest())
		return;
	if (signal_install(signo, NULL, &now, 0) == 0 && now.sa_handler != SIG_DFL &&
	    now.sa_handler != SIG_IGN)
		signal_install(signo, &now, NULL, way);
}
