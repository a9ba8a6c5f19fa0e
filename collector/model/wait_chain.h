/*
 * From a process that waits to what it is really waiting for: who waits for what, who could end
 * that, what that one waits for, and so on to where it ends. Pure.
 */
#ifndef LOCKJAM_WAIT_CHAIN_H
#define LOCKJAM_WAIT_CHAIN_H

#include "collector/model/model.h"
#include "collector/model/wait_graph.h"

/* What is behind a link. */
enum chain_end {
	CHAIN_GOES_ON, /* the links whose parent it is */
	CHAIN_CYCLE,   /* `back`, a link before it: they wait for each other */
	CHAIN_TOLD,    /* `back`: what follows has been told there */
	CHAIN_HEAP,    /* it waits for itself in the allocator */
	CHAIN_OWNER,   /* nobody that is known: who could end the wait is not known, or gone */
	CHAIN_WAIT,    /* its wait is the cause: kind and object say what of */
	CHAIN_ENDED,   /* the process has ended */
	CHAIN_STOPPED, /* by a signal */
	CHAIN_TRACED,  /* by a debugger */
	CHAIN_DISK,    /* in uninterruptible sleep */
	CHAIN_RUNS,
	CHAIN_BLOCKED, /* in a call, nobody has said for what */
	CHAIN_UNSEEN,  /* nobody looked at it */
	CHAIN_CUT,     /* there is more */
	CHAIN_ENDS
};

struct chain_link {
	uint32_t parent; /* MODEL_NONE: of the process that was asked about */
	uint32_t depth;
	uint32_t process; /* MODEL_NONE: the holder's is not known */
	uint32_t thread;  /* MODEL_NONE: not known */
	uint32_t wait;    /* that it is in; MODEL_NONE: in none that is known */
	uint32_t need, way; /* of the parent's wait, through which it stands in the way; MODEL_NONE */
	uint32_t others;  /* how many more stand beside it there that are not followed */
	enum chain_end end;
	uint32_t back; /* CHAIN_CYCLE, CHAIN_TOLD: a link; else MODEL_NONE */
};

struct chain {
	struct chain_link *links; /* each behind its parent, depth first */
	uint32_t count;
	uint32_t threads_left_out; /* of the process that wait, too */
	/* Whose end would let the most others go on, and how many; MODEL_NONE: nobody's would, or
	 * nobody asked (chain_choose_victim). */
	uint32_t victim;
	uint32_t freed;
};

/*
 * From the threads of `process` that wait for others, or its main thread, if none does. `looks`:
 * the graph of the same model, WAIT_LOOKS. At most `limit` links. 0 or -ENOMEM.
 */
int chain_build(struct chain *c, const struct wait_graph *looks, uint32_t process, uint32_t limit);
void chain_done(struct chain *c);

/* Tries out on the graph, which is put back, whose end would help. */
void chain_choose_victim(struct chain *c, struct wait_graph *looks);

/* The process waits, and not only for work to come or for time to pass. */
bool chain_is_stuck(const struct chain *c, const struct model *m);

/* A wait in uninterruptible sleep that is no passing one: its device or server may be dead. */
bool chain_is_long_disk(const struct model *m, const struct model_wait *w);

#endif
