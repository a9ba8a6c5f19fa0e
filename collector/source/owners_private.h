/* What the files owners*.c share; see owners.h. */
#ifndef LOCKJAM_OWNERS_PRIVATE_H
#define LOCKJAM_OWNERS_PRIVATE_H

#include "collector/model/index.h"
#include "collector/proc/held.h"
#include "collector/proc/kernel_locks.h"
#include "collector/source/source.h"

#define OWNERS_SCAN_MAX 20000 /* processes looked through for owners of open file descriptions */

struct search {
	struct gather *g;
	const struct proc *proc;
	struct kernel_locks *k;
	struct index mounts; /* of ours: id -> device, for owners_mount_device() */
	bool has_unreadable; /* a process that was searched hides its descriptors */
	bool is_incomplete;  /* so, or there were too many */
	bool is_pathless;    /* a holder hides its descriptors, whose file we cannot name */
	bool has_no_kcmp;    /* descriptors could not be compared */
};

static inline bool owners_is_same_file(const struct kernel_lock *a, const struct kernel_lock *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

/* Equal lines: the same lock, or locks that only their descriptions tell apart. */
static inline bool owners_is_same_lock(const struct kernel_lock *a, const struct kernel_lock *b)
{
	/* The mode of a lease that is being broken is a guess. */
	bool is_same_mode = a->mode == b->mode || (a->is_breaking && b->is_breaking);

	return a->kind == b->kind && is_same_mode && a->pid == b->pid &&
	       owners_is_same_file(a, b) && a->start == b->start && a->end == b->end;
}

/* Of an open file description, not of a process: who took it may be gone, others may have it. */
static inline bool owners_is_shared_kind(const struct kernel_lock *e)
{
	return e->kind != LOCK_POSIX && !e->is_delegation;
}

/* --- owners_path.c ---------------------------------------------------------------------------- */

/* The mounts that a process sees: id -> device. */
void owners_index_mounts(const struct proc *proc, pid_t pid, struct index *mounts);
uint64_t owners_mount_device(uint32_t value); /* as makedev() */

/* The path of the file that stands behind a descriptor, if it is not known. */
void owners_use_path(struct search *s, uint32_t resource, const struct held_at *at);

/* Looks through the descriptors of the line's process for the path of its file. */
void owners_find_path(struct search *s, struct kernel_lock *e);

/* Unlinked files whose path leads to another file that is locked, too. */
void owners_mark_replaced(struct gather *g);

/* --- owners_ahead.c --------------------------------------------------------------------------- */

/*
 * Names, paths and descriptors of the processes that the lines without a record name, read by
 * several threads. Only saves time: who is not found here is looked for one by one.
 */
void owners_read_ahead(struct search *s);

/* --- owners_description.c --------------------------------------------------------------------- */

/*
 * Looks through the descriptors of the processes pids[0..count) for who holds the lines
 * wanted[0..wanted_count), and for who shares their open file descriptions: copies are added to
 * the lines as kernel_lock.copy_of. Lines for which no description was found stay without a
 * process.
 */
void owners_find_descriptions(struct search *s, const int *pids, uint32_t count,
			      const uint32_t *wanted, uint32_t wanted_count);

/* --- owners_unowned.c ------------------------------------------------------------------------- */

/* Reads /proc/locks again: lines of `wanted` without a process that are gone, or were printed
 * twice, become outdated. */
void owners_drop_released(struct search *s, const uint32_t *wanted, uint32_t count);

/*
 * For the lines of `wanted` that nobody was found for: those that are gone meanwhile become
 * outdated; who keeps the file by a mapping is named; else why nobody is.
 */
void owners_explain(struct search *s, const int *pids, uint32_t count, const uint32_t *wanted,
		    uint32_t wanted_count);

/* --- owners_waiter.c -------------------------------------------------------------------------- */

/*
 * Looks through the threads of the processes for those that sit in a request for a lock: they are
 * the waiters of lines without a pid. With `want_unlisted` those that have no line at all become
 * lines at the end: /proc/locks hides them in a pid namespace, and some file systems keep queues
 * of their own.
 */
void owners_find_waiters(struct search *s, const int *pids, uint32_t count, bool want_unlisted);

#endif
