/*
 * The kernel's word against the records. Pure but for memory: no /proc, no clock; in this order:
 *
 *	merge_images()   of several programs that one process was, only the last holds anything
 *	merge_match()    lines of /proc/locks find their records
 *	(owners_find() finds out whose the other lines are)
 *	merge_judge()    the other lines become locks; what the kernel does not confirm becomes
 *stale (owners_confirm() asks the processes themselves about that: /proc/locks may skip lines)
 *	merge_link()     who is queued behind whom
 *
 * Records say HELD only between the grant and the release as the kernel knows them, and they are
 * read before /proc/locks. So a recorded hold that the kernel does not show was released, or
 *skipped; and a hold that it shows while the record says WAITING was granted in between.
 */
#ifndef LOCKJAM_MERGE_H
#define LOCKJAM_MERGE_H

#include "collector/proc/kernel_locks.h"
#include "collector/source/source.h"

void merge_images(struct gather *g);

/* Sets kernel_lock.lock and .process of the lines that a live process recorded. 0 or -ENOMEM. */
int merge_match(struct gather *g, struct kernel_locks *k);

/* With k NULL the kernel's word could not be had: records stay EVIDENCE_RECORDED. 0 or -ENOMEM. */
int merge_judge(struct gather *g, struct kernel_locks *k);
int merge_link(struct gather *g, struct kernel_locks *k);

/* The resource of a line of /proc/locks, added if it is new. */
uint32_t merge_resource(struct gather *g, const struct kernel_lock *e);

/* Whether somebody who keeps being refused is still at it, and the first hold in his way. */
bool merge_is_fresh(const struct model_lock *l, uint64_t now_ns);

#endif
