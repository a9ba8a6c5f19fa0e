/*
 * Calls of functions in the target, by the thread at the safe point. Its stack has, before it goes
 * anywhere, all that it needs to come back by itself: lockjam may be killed at any moment.
 */
#ifndef LOCKJAM_INJECT_REMOTE_H
#define LOCKJAM_INJECT_REMOTE_H

#include "collector/inject/inject_point.h"

struct inject_remote {
	struct inject_target *target;
	struct inject_point *point;
	uint64_t code, block, text, sp; /* addresses in the target */
	int report;                     /* the signal by which the thread reports */
	bool has_run;                   /* the thread has left its place */
};

/* Writes code, block and the way back. 0 or a negative errno; then the thread still stands as
 * found. */
int inject_remote_begin(struct inject_remote *r, struct inject_target *t,
			struct inject_point *point);
/* A string for the next call; valid for it alone. Its address in the target, 0: it is too long. */
uint64_t inject_remote_string(struct inject_remote *r, unsigned index, const char *text);

/*
 * function(a, b, c) in the target. 0 with *result; -ETIMEDOUT (it has not returned up to
 * deadline_ns), -EFAULT (it crashed), -ESRCH (the process is gone, or another program).
 */
int inject_remote_call(struct inject_remote *r, uint64_t function, const uint64_t arguments[3],
		       uint64_t deadline_ns, uint64_t *result);

/*
 * Puts the thread back to where it was and lets it go. After -ETIMEDOUT of a call: back at once if
 * it still waits for the loader's lock; otherwise it is left to itself, and goes back when the call
 * returns. True: it is back.
 */
bool inject_remote_end(struct inject_remote *r);

#endif
