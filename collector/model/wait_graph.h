/*
 * Which waits can end, and which cannot: the greatest fixpoint over waits[], needs[] and ways[].
 *
 * All waits that are candidates count as stuck until one is found that can go on: a need is met when
 * one of its ways is free, a wait ends when all its needs are met, a thread whose wait ends makes
 * the ways through it free; so does any thread that does not wait make those through its process.
 * Each way, need and wait is touched once: the time grows with their number. Pure.
 */
#ifndef LOCKJAM_WAIT_GRAPH_H
#define LOCKJAM_WAIT_GRAPH_H

#include "collector/model/model.h"

enum wait_view {
	/* Nothing that is not known for sure is stuck; what is left is a deadlock, and who waits
	 * behind it. */
	WAIT_PROOF,
	/* What looks stuck now, also behind what ends the chain: a remote peer, a stopped process. A
	 * process goes on when the thread does that has the lock, or else its main thread. */
	WAIT_LOOKS,
};

struct wait_graph {
	const struct model *m;
	enum wait_view view;
	uint32_t *thread_wait; /* by thread: the wait that may be stuck; MODEL_NONE none */
	uint32_t *any_wait;    /* by thread: the wait that it is in, of whatever kind; MODEL_NONE */
	uint32_t *threads;     /* by process: how many have not ended; UINT32_MAX: not known */
	uint32_t *main;        /* by process: the thread that stands for it, MODEL_NONE unknown */
	uint32_t *wait_group;  /* by wait: those with the same needs are one group */
	uint32_t *group_next;  /* by wait: the next one of its group; MODEL_NONE */
	uint32_t *group_first; /* by group: its first wait */
	uint32_t *need_group;  /* by need: the group that has it */
	uint32_t *need_set;    /* by need: those with the same ways have one set */
	uint32_t *need_next;   /* by need: the next one with its set; MODEL_NONE */
	uint32_t *set_first;   /* by set: its first need */
	uint32_t *way_set;     /* by way */
	uint32_t *way_next;    /* by way: the next one through the same thread, or process */
	uint32_t *thread_way, *process_way; /* the first one; MODEL_NONE */
	uint32_t *gone_next, *process_gone; /* all ways through a process, by whatever thread */
	uint32_t *work; /* threads that go on, not looked at yet */
	uint32_t work_count;
	/* What changes; one block, so that it can be put back: */
	uint32_t *state;
	size_t state_size;
	uint32_t *is_stuck;      /* by wait */
	uint32_t *group_stuck;   /* by group: needs that cannot be met */
	uint32_t *set_free;      /* by set: is one of its ways free? */
	uint32_t *set_left;      /* by set: ways that are not gone with their process */
	uint32_t *process_stuck; /* by process: its stuck threads */
};

/* Solved; 0 or -ENOMEM (then nothing is to be freed). The model must not change meanwhile. */
int wait_graph_init(struct wait_graph *g, const struct model *m, enum wait_view view);
void wait_graph_done(struct wait_graph *g);

bool wait_graph_is_thread_stuck(const struct wait_graph *g, uint32_t thread);
/* None of its threads goes on; WAIT_LOOKS: the one that stands for it does not. */
bool wait_graph_is_process_stuck(const struct wait_graph *g, uint32_t process);
bool wait_graph_is_way_stuck(const struct wait_graph *g, const struct model_way *way);
/* Who is expected to take the way (`hold`: to give that up); MODEL_NONE: not known. */
uint32_t wait_graph_way_thread(const struct wait_graph *g, const struct model_way *way,
			       uint32_t hold);
bool wait_graph_is_need_stuck(const struct wait_graph *g, uint32_t need);

/*
 * What if the process ended? Solves again without it: how many other processes that are stuck would
 * go on. Leaves the graph as it was. UINT32_MAX: memory is out.
 */
uint32_t wait_graph_count_freed(struct wait_graph *g, uint32_t process);

/* Whether a wait of the kind ends only by what its ways say: not by a signal, a time, a stranger. */
bool wait_kind_is_closed(enum wait_kind kind);

#endif
