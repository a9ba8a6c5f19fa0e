/*
 * Handlers that were there before the shim: see latch_signal.h.
 *
 * The kernel has no compare-and-swap for dispositions. So: read, install, and look at what the
 * installation replaced; where that is not what was read, another thread came between, and what it installed
 * is put back before the next try. That can only be a thread that was on its way to the kernel, past us, when the
 * calls were redirected: who comes through us waits at the gate, a few microseconds with all signals blocked.
 * The shim stands aside meanwhile and is quiet: nobody else changes the table of signal.c.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/latch_signal.h"
#include "preload/signal.h"
#include "preload/sys.h"

#define TRIES 16
#define RESTORER 0x04000000 /* SA_RESTORER: libc's own business, the program does not see it */

/* The kernel's struct sigaction (asm-generic/signal.h, the same on both processors). */
struct action {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

static bool exchange(int signo, const struct action *now, struct action *was)
{
	return sys4(SYS_rt_sigaction, signo, now, was, sizeof(now->mask)) >= 0;
}

static bool is_same(const struct action *a, const struct action *b)
{
	return a->handler == b->handler && a->flags == b->flags && a->restorer == b->restorer &&
	       a->mask == b->mask;
}

static bool is_handler(const struct action *a)
{
	return a->handler != (uintptr_t)SIG_DFL && a->handler != (uintptr_t)SIG_IGN;
}

static bool is_behind(const struct action *a)
{
	return a->handler == (uintptr_t)signal_trampoline;
}

/* `a` as it was, or as the kernel has left it at a delivery (SA_RESETHAND). */
static bool is_left_of(const struct action *now, const struct action *a)
{
	struct action reset = *a;

	reset.handler = (uintptr_t)SIG_DFL;
	return is_same(now, a) || ((a->flags & SA_RESETHAND) && is_same(now, &reset));
}

/* Replaces `from` by `to`; false (and nothing is lost) when it was something else meanwhile. */
static bool replace(int signo, const struct action *from, const struct action *to)
{
	struct action was, lost;

	if (!exchange(signo, to, &was))
		return false;
	if (is_same(&was, from))
		return true;
	for (int i = 0; i < TRIES && exchange(signo, &was, &lost); i++) {
		if (is_left_of(&lost, to))
			break;
		was = lost; /* once more: that one is the newest */
	}
	return false;
}

/* --- the gate ------------------------------------------------------------------------------------- */

#define GATE_NAPS 2000
#define GATE_NAP_NS 50000

static struct {
	_Atomic int32_t changer; /* pid of the process whose dispositions are being changed */
	_Atomic int32_t inside;  /* calls of sigaction() that are on their way through us */
} gate;

/* A fork copies what other threads were doing, which nobody will end in the child. */
void latch_signal_forked(void)
{
	atomic_store(&gate.changer, 0);
	atomic_store(&gate.inside, 0);
}

void latch_signal_enter(void)
{
	for (int i = 0; i < GATE_NAPS; i++) {
		atomic_fetch_add(&gate.inside, 1);
		if (shim_likely(!atomic_load(&gate.changer)) ||
		    atomic_load(&gate.changer) != sys_getpid())
			return;
		atomic_fetch_sub(&gate.inside, 1);
		sys_nap(GATE_NAP_NS);
	}
	atomic_fetch_add(&gate.inside, 1);
}

void latch_signal_leave(void)
{
	atomic_fetch_sub(&gate.inside, 1);
}

static void close_gate(void)
{
	atomic_store(&gate.changer, sys_getpid());
	for (int i = 0; i < GATE_NAPS && atomic_load(&gate.inside) > 0; i++)
		sys_nap(GATE_NAP_NS);
}

static void open_gate(void)
{
	atomic_store(&gate.changer, 0);
}

/* As the program would give it to sigaction(). */
static struct sigaction as_given(const struct action *a)
{
	struct sigaction act;

	memset(&act, 0, sizeof(act));
	act.sa_sigaction = (void (*)(int, siginfo_t *, void *))a->handler;
	act.sa_flags = (int)(a->flags & ~(unsigned long)RESTORER);
	memcpy(&act.sa_mask, &a->mask, sizeof(a->mask));
	return act;
}

static bool take_over(int signo)
{
	struct action now, ours;
	struct sigaction act;

	if (!exchange(signo, NULL, &now) || is_behind(&now))
		return true;
	if (!is_handler(&now)) {
		signal_note(signo, NULL);
		return true;
	}
	act = as_given(&now);
	if (!signal_note(signo, &act))
		return false;
	ours = now;
	ours.handler = (uintptr_t)signal_trampoline;
	ours.flags |= SA_SIGINFO;
	return replace(signo, &now, &ours);
}

static bool give_back(int signo)
{
	const struct disposition *d = signal_disposition(signo);
	struct action now, theirs;

	if (!exchange(signo, NULL, &now) || !is_behind(&now) || !d)
		return true;
	theirs = now;
	theirs.handler = d->handler;
	if (!(d->flags & SA_SIGINFO))
		theirs.flags &= ~(unsigned long)SA_SIGINFO;
	return replace(signo, &now, &theirs);
}

static bool for_all(bool (*verb)(int signo))
{
	bool is_complete = true;

	close_gate();
	for (int signo = 1; signo <= SIGNAL_COUNT; signo++) {
		bool is_done = false;

		if (signo == SIGKILL || signo == SIGSTOP || signo == 32 || signo == 33)
			continue;
		for (int i = 0; i < TRIES && !is_done; i++)
			is_done = verb(signo);
		is_complete &= is_done;
	}
	open_gate();
	return is_complete;
}

bool latch_signal_take_over(void)
{
	return for_all(take_over);
}

void latch_signal_give_back(void)
{
	for_all(give_back);
}
