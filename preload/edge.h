/*
 * The order in which locks are taken: what a thread held when it asked for another lock, in a way that
 * would have waited. Recorded when nothing has gone wrong yet; the collector unites the orders of all
 * processes and looks for cycles.
 *
 * Whose hold counts: the thread's that took it, also where the kernel says that the process is the owner
 * (POSIX locks) or the open file description (flock, OFD). While a thread waits, another one of its process
 * may give back what that one took; so only what the waiting thread took itself is sure to stay held until
 * the wait is over. A lock that fork() shared counts in the child for the thread that forked.
 *
 * Whose request counts: of those that block, the ones that were granted. One that hangs for ever is a
 * deadlock already, and told as that. One that does not block (trylock) can hang nobody; what it got
 * is held like anything else.
 *
 * The holds of all families of locks are one chain per request: a family adds its own on top of those
 * below (edge_holding), and asks with the whole (edge_asked). Lock-free; only inside a bracket;
 * async-signal-safe.
 */
#ifndef LOCKJAM_EDGE_H
#define LOCKJAM_EDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/range.h"
#include "preload/segment.h"

#define EDGE_DEPTH 128 /* of a chain; what is older is cut off, and said to be */

/* A lock that is held, or asked for. */
struct edge_lock {
	uint32_t resource; /* index */
	uint32_t stack;    /* index: where it was taken, or asked for; 0 unknown */
	uint8_t kind;      /* enum seg_lock_kind */
	uint8_t mode;      /* enum seg_lock_mode */
	struct range range;
	uint64_t ofd; /* 0 where there is none */
};

/* What a thread holds: a chain, 0 nothing. */
struct edge_held {
	uint32_t chain;
	uint32_t depth;
	bool is_cut;  /* the chain is not all */
	bool is_lost; /* there was no room for it (counted): there will be no edge */
};

/* Adds a hold. In the order in which they were taken, within one family. */
void edge_holding(struct edge_held *held, const struct edge_lock *lock);

/* The calling thread asked for `lock` at `now_ns`, and got it. Does nothing if it held nothing. */
void edge_asked(const struct edge_held *held, const struct edge_lock *lock, uint64_t now_ns);

/* Whether an edge names the resource: then its record must stay what it is. */
bool edge_names(uint32_t resource);

#endif
