/*
 * Signal dispositions and active handlers.
 *
 * A disposition is what the program asked for with sigaction() and its relatives. Handlers are
 * installed as signal_trampoline() with the program's own flags and mask; the table of signal.c
 * keeps the program's handler, for the trampoline to call and for oldact to hand back. The kernel
 * stays the truth about what is installed: the table is consulted only where the kernel names our
 * trampoline.
 */
#ifndef LOCKJAM_SIGNAL_H
#define LOCKJAM_SIGNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/shim.h"

#define SIGNAL_COUNT 64 /* signals are numbered from 1 */

/* Never changed once it is in the table, but for `record`. Lives as long as the process. */
struct disposition {
	uintptr_t handler;
	uint64_t mask; /* sa_mask, bit n-1 for signal n */
	int signo;
	int flags;               /* as the program gave them; bit 31 is SA_RESETHAND */
	_Atomic uint64_t record; /* index into SEG_HANDLERS | epoch of its segment << 32 */
};

/*
 * An active handler, one per running trampoline. It lies in a pool of trampoline.c, not on the
 * stack: a stack that siglongjmp() has left may be overwritten, or unmapped, before we look again.
 */
struct shim_frame {
	struct shim_frame *prev; /* the handler that this one interrupted */
	const struct disposition *disposition;
	void *context;     /* ucontext_t of the interrupted code */
	uintptr_t address; /* the trampoline's own stack frame */
	uintptr_t interrupted_sp;
	uintptr_t interrupted_pc;
	uintptr_t return_address;    /* of the trampoline; stands at address + 8 */
	uintptr_t alt_low, alt_high; /* the alternate stack at delivery, empty without one */
	bool on_alt;                 /* the trampoline runs on it */
	bool logged;                 /* the delivery is in the event ring, so the return will be */
	int errno_before;
	uint32_t depth;   /* shim_self.depth of the interrupted code */
	uint32_t nesting; /* 1 = interrupted no other handler */
	uint32_t finding; /* whose call is running in this handler, see seg_thread */
	uint64_t finding_epoch; /* of the segment that has it */
	uint64_t call_since_ns;
	uint64_t interrupted_function; /* see struct seg_finding; found at the first call */
	bool is_described;             /* it is, and so is the next */
	bool is_maybe_allocator;       /* SEG_FIND_MAYBE_ALLOC */
	bool is_allocator_known;       /* is the next */
	bool has_interrupted_allocator; /* protect.c: by the interrupted stack */
	uint64_t safe_calls; /* as seg_handler.safe_calls, by this frame */
	uint32_t held[SEG_HELD]; /* locks of the interrupted thread: indices into SEG_USES */
	uint32_t held_count;     /* may be more than those */
	uint64_t held_epoch;     /* of the segment that has them */
	bool has_acted; /* it called something: it does more than to set a flag */
	uint64_t entered_ns;
	uint64_t serial; /* 0 = free; tells one use of this frame from the next */
	int32_t tid;     /* owner */
	uint32_t record; /* of the disposition, 0 not recorded */
	uint64_t epoch;  /* of the segment that has the record */
};

/* --- signal.c: the table --------------------------------------------------------------------- */

/* The disposition that the trampoline serves for this signal; never NULL once one was installed. */
const struct disposition *signal_disposition(int signo);

/*
 * sigaction() as the program calls it, through the table; `way` says by which function. Keeps to
 * libc's order of effects: *oldact is written last. Async-signal-safe.
 */
int signal_install(int signo, const struct sigaction *act, struct sigaction *oldact,
		   enum seg_install way);

/* An installed handler, or its flags, were changed by libc itself, without us. */
void signal_refresh(int signo, enum seg_install way);

/* The signals that have a handler of the program's now: bit n-1 for signal n. */
uint64_t signal_handled(void);

/* The kernel has put SIG_DFL in the place of a SA_RESETHAND handler. */
void signal_was_reset(const struct disposition *d);

/* The disposition's record in the current segment, made if need be; 0 none. In a bracket only. */
uint32_t signal_record(const struct disposition *d);

/*
 * For latch_signal.c. The disposition of a signal is `act`, which the trampoline will stand in for; NULL:
 * there is no handler of ours. False when there is no room. signal_note_all() records them; in a bracket.
 */
bool signal_note(int signo, const struct sigaction *act);
void signal_note_all(void);

/* --- trampoline.c: active handlers ------------------------------------------------------------ */

/* What the kernel calls: runs the program's handler between two notes. */
void signal_trampoline(int signo, siginfo_t *info, void *context);

/*
 * The innermost handler that is still active in code whose stack pointer is sp, or NULL. Forgets
 * those that were left without a return. Not inside a bracket.
 */
struct shim_frame *trampoline_active(uintptr_t sp);

/* How many of the calling thread's handlers a jump to a stack pointer leaves, innermost first. */
uint32_t trampoline_left(uintptr_t sp);

/*
 * The handler of `frame` begins the call of a finding (a 1-based index) whose return we will see,
 * or ends it (0). In a bracket only.
 */
void trampoline_note_call(struct shim_frame *frame, uint32_t finding, uint64_t now_ns);

#endif
