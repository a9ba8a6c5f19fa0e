/*
 * What the files of the shim share: the state of a thread, the state of the process, libc's own
 * functions, and the verbs by which a wrapper records.
 *
 * The shim never allocates, prints, starts a thread, keeps a descriptor open, waits for a lock,
 * or calls a libc function that could be interposed but through `real`. Everything here is
 * async-signal-safe unless its comment says otherwise, and keeps errno.
 */
#ifndef LOCKJAM_SHIM_H
#define LOCKJAM_SHIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "preload/segment.h"

#define SHIM_EXPORT __attribute__((visibility("default")))
#define shim_likely(x) __builtin_expect(!!(x), 1)
#define shim_unlikely(x) __builtin_expect(!!(x), 0)

struct shim_frame; /* an active handler, on the stack of its trampoline: signal.h */

/*
 * A thread's state, zero at its start. Field `frame` stands first: the thunks test it at offset
 * 0. After fork the child's copy belongs to the parent's segment: shim_begin() sees that by
 * `epoch` and starts afresh.
 */
struct shim_self {
	struct shim_frame *frame; /* innermost active handler; NULL outside handlers */
	uint64_t epoch;           /* of the segment that `thread` belongs to */
	uint32_t thread;          /* index into SEG_THREADS, 0 not registered */
	int32_t tid;
	uint32_t depth;           /* > 0: inside the shim's own code; see shim_begin() */
	uint32_t in_vfork;        /* 1 in a vfork child, which shares our memory and records nothing */
	struct shim_frame *lockset_frame; /* lockset_queue.c: where this thread last had the try-lock */
	void *inheritance;        /* inherit.h: between the fork's two sides, what the child shares */
	uint64_t stack_low, stack_high; /* unwind.c: a part of the stack that is known to be there */
	uint32_t in_creation; /* 1 while this thread makes the segment: its handlers must not wait */
	uint32_t is_loading; /* this thread called dlopen(): there may be new objects, see latch.h */
	struct seg_holds *holds; /* hold.h: this thread's list in the segment of `epoch` */
	struct seg_holds *quick; /* the same where no bracket is needed to write to it, else NULL */
	struct seg_holds *counts; /* likewise, where locks are only counted */
};
static_assert(sizeof(struct shim_self) <= 128, "budget of DESIGN: 128 bytes of TLS");
static_assert(offsetof(struct shim_self, frame) == 0, "thunks test offset 0");

extern __thread struct shim_self shim_self __attribute__((tls_model("initial-exec"), visibility("hidden")));

/*
 * Bracket of every piece of our own code that records. Returns false when nothing may be
 * recorded (vfork child, no segment to be had): then the wrapper just calls the real function. On
 * true the thread is registered in the segment, errno is saved in *saved_errno, and shim_end()
 * must follow before the real call: the bracket never spans a blocking call.
 *
 * Brackets nest: a handler that interrupts one may open its own, so what stands between must be
 * re-entrant (every verb below is). `depth` only says that a bracket was interrupted; it may stay
 * too high when siglongjmp leaves a handler, so nothing may depend on its reaching 0.
 */
bool shim_begin(int *saved_errno);
void shim_end(int saved_errno);
/*
 * What else must be over before the recorder is taken off and attached again, but needs no segment. False:
 * it is off already. Always true in a shim that was preloaded.
 */
bool segment_enter(void);
void segment_leave(void);
/* So many brackets of this thread were left by a jump: their ends will not come. */
void shim_abandon(uint32_t brackets);

/* --- segment.c: the process's segment ------------------------------------------------------ */

/* The mapped segment of this process, or NULL. Only inside shim_begin/shim_end. */
struct seg_header *segment_get(void);

/*
 * Where the segment's address stands, NULL before there is one: reads NULL in a child that has recorded
 * nothing yet, however it was made. For those who write outside of brackets.
 */
extern struct seg_header *volatile *segment_word __attribute__((visibility("hidden")));

/* Must each record be written in a bracket, because recording may end while the process lives? */
bool segment_is_late(void);

/* In a forked child that has recorded nothing yet: the next shim_begin() makes its segment. */
bool segment_is_pending(void);

/*
 * A new record of a table: its 1-based index and address, or 0 when the table or the tmpfs is full
 * (counted in seg_table.dropped). The record is zero but for seq, which is odd: fill it, then
 * segment_publish(). Lock-free.
 */
uint32_t segment_append(enum seg_table_id table, void **record);
void *segment_record(enum seg_table_id table, uint32_t index); /* NULL if out of range */

/*
 * Names the segment that the process writes now; another number after each fork, 0 while there is
 * none. Indices kept outside the segment are good for one epoch.
 */
uint64_t segment_epoch(void);

/* Around a change of a published record. `seq` is the record's first field. */
void segment_open_record(uint32_t *seq);
void segment_publish(uint32_t *seq);

/* Copies a string into SEG_STRINGS; its offset, 0 if there is no room. */
uint32_t segment_string(const char *text);
/* The same in the place of an old one that nobody else uses, if its `room` is enough; kept there. */
uint32_t segment_string_again(uint32_t old, uint32_t *room, const char *text);
/* Room for `length` bytes in SEG_SLICES (its pages are there: writing cannot fault), or NULL. */
void *segment_slice_reserve(uint32_t length, uint32_t *offset);

void segment_event(enum seg_event_kind kind, uint16_t mode, int32_t aux, uint64_t value,
		   uint64_t start);
struct segment_event {
	enum seg_event_kind kind;
	uint16_t mode;
	int32_t aux;
	uint64_t value, start;
};
void segment_event_at(uint64_t ns, const struct segment_event *what);
void segment_limit(enum seg_limit limit);
uint32_t segment_thread(void); /* index of the calling thread's record */

/* --- clock, ids ---------------------------------------------------------------------------- */
uint64_t shim_now_ns(void);    /* CLOCK_MONOTONIC */
uint64_t shim_coarse_ns(void); /* the same up to 4 ms ago, but not before this process's last event */

/* prctl(PR_SET_TSC) made the processor's counter, which libc's clock reads, a fault: ask the kernel. */
extern bool shim_no_counter __attribute__((visibility("hidden")));

/* Why the shim stands aside: shim_begin() refuses, handlers run unseen, wrappers just call on. */
enum shim_aside {
	/* The process restricts its system calls: one of ours could be its death. For good. */
	SHIM_ASIDE_SEALED = 1 << 0,
	/* Loaded into a running program (latch.h), which is not being recorded now. */
	SHIM_ASIDE_DETACHED = 1 << 1,
};
extern _Atomic uint32_t shim_aside __attribute__((visibility("hidden")));

/* Relaxed, that is: a plain load. What must not be missed is settled by segment.c's bracket. */
static inline bool shim_is_aside(void)
{
	return shim_unlikely(atomic_load_explicit(&shim_aside, memory_order_relaxed));
}

/* The wrappers' first question: may nothing be done at all, not even looked at? */
static inline bool shim_is_off(void)
{
	return shim_unlikely(shim_self.in_vfork) || shim_is_aside();
}

/* --- stack.c ------------------------------------------------------------------------------- */

/*
 * The calling thread's stack from the wrapper's caller on, interned; in a handler through the
 * signal's frame. 0 if there is no room. Takes no lock, see unwind.h.
 */
uint32_t stack_capture(void);

/*
 * Makes sure that the module that contains pc is in SEG_MODULES. Uses _dl_find_object (glibc
 * 2.35, async-signal-safe), does nothing without it.
 */
void module_note(uint64_t pc);

/* Start of the function that covers pc by .eh_frame_hdr's table, or 0. Async-signal-safe. */
uint64_t module_function_start(uint64_t pc);

#endif
