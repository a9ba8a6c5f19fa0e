/*
 * The set of locks that this process holds, waits for or polls: the records of SEG_LOCKS and
 * which of them belong to a resource. Only inside a bracket; async-signal-safe.
 *
 * Changes of the set are applied by whoever has its try-lock, for a few dozen instructions. A
 * handler that interrupted the owner leaves its change in a short queue, which the owner empties before
 * and after it lets go. Another thread waits for an owner that has lost its processor, half a second at most for
 * all threads together; then it is taken for stuck, and changes are queued. One is lost only when the queue
 * is full (counted).
 */
#ifndef LOCKJAM_LOCKSET_H
#define LOCKJAM_LOCKSET_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/edge.h"
#include "preload/range.h"
#include "preload/segment.h"

/* What a change took away, so that it can be put back if the real call fails. */
#define LOCKSET_UNDO 4
struct lockset_undo {
	uint32_t count;
	struct seg_lock removed[LOCKSET_UNDO];
};

enum lockset_verb {
	LOCKSET_GRANT = 1,   /* record `slot` is held now: the owner's other holds give way to it */
	LOCKSET_RELEASE,     /* explicit unlock of a range */
	LOCKSET_DROP_POSIX,  /* a descriptor of the file was closed: all POSIX locks on it go */
	LOCKSET_DROP_OFD,    /* the last descriptor of a description was closed */
	LOCKSET_MOVE,        /* one descriptor of a description was closed: `fd` is another */
	LOCKSET_REFUSED,     /* a request without waiting was refused: polling */
	LOCKSET_END_POLLING, /* of all threads through `fd` */
	LOCKSET_ADOPT,       /* record `slot` was held before: unless its owner has the range already */
	LOCKSET_DISOWN,      /* it is not: record `slot`, if `request` still is its request */
};

struct lockset_change {
	uint8_t verb; /* enum lockset_verb */
	uint8_t kind;
	uint8_t mode;
	uint32_t resource;
	uint32_t slot;
	uint32_t thread;
	uint32_t stack;
	int32_t fd;
	uint32_t request;
	struct range range;
	uint64_t ofd;
	uint64_t now_ns;
	struct lockset_undo *undo; /* may be NULL; count stays 0 if the change was queued */
};

/* Applies or queues. */
void lockset_submit(const struct lockset_change *change);

/* A free record, open (seq odd, state still SEG_LOCK_FREE): fill it and segment_publish(). */
uint32_t lockset_new(struct seg_lock **record);
/* Gives a record back that is not in the set (a wait that ended without a grant). */
void lockset_free(uint32_t slot);

/* Puts removed holds back: the unlock failed. */
void lockset_restore(const struct lockset_undo *undo);

/*
 * The description that holds a lock on the resource and that `fd` shares with a descriptor that
 * is known (kcmp), or 0. For descriptors whose history is not known.
 */
uint64_t lockset_find_ofd(uint32_t resource, int fd);

/* The mode that the owner holds on all or part of the range, 0 if none. */
uint8_t lockset_mode_of(uint32_t resource, uint8_t kind, uint64_t ofd, struct range range);

/*
 * The set as it stands has all that was recorded: not 0, and the same as long as nothing changes. 0: somebody
 * is at it, changes wait in the queue, or some were given up. What is not in the set may be held then.
 */
uint64_t lockset_moment(void);

/* Does the calling thread hold a file lock that it took itself? One look. */
bool lockset_holds(void);
/* Adds those, the oldest first. */
void lockset_held(struct edge_held *held);
/* Does this process hold a POSIX lock on the file? */
bool lockset_has_posix_on(uint32_t resource);
/* The owner of this request has all that it asks for: it cannot wait. */
bool lockset_has_already(const struct seg_lock *asked);

/* Calls `visit` for each POSIX lock that is held. */
void lockset_each_posix(void (*visit)(const struct seg_lock *lock));

/* Counters of held POSIX locks, held OFD and flock locks, and pollers: the wrappers' quick test. */
bool lockset_has_posix(void);
bool lockset_has_ofd(void);
bool lockset_has_polling(void);

/* Marks all OFD and flock holds as shared with a child that is about to be forked. */
void lockset_mark_shared(void);

/*
 * siglongjmp left the code that ran in the handler `frame` (NULL: in none), perhaps in the middle of
 * a change. Not inside a bracket of that code.
 */
struct shim_frame;
void lockset_abandon(const struct shim_frame *frame);

/* A new segment: the set is empty. */
void lockset_reset(void);

#endif
