/*
 * The time limit of a system call that a thread is taken out of: what is left of it goes on running
 * down while the thread is elsewhere.
 */
#ifndef LOCKJAM_INJECT_LIMIT_H
#define LOCKJAM_INJECT_LIMIT_H

#include "collector/inject/inject_calls.h"
#include "collector/inject/inject_trace.h"

struct inject_limit {
	enum inject_limit_form form;
	uint64_t until_ns; /* CLOCK_MONOTONIC */
	uint64_t address;  /* of what it is written to, in the target */
};

/*
 * A call that was interrupted just now; of one with INJECT_LIMIT_MS, which ended with EINTR, the
 * caller knows when its time began.
 */
void inject_limit_take(struct inject_limit *limit, struct trace *t, const struct proc_syscall *call,
		       uint64_t began_ns);
/* Writes what is left: into the registers to be put back, or into memory. */
void inject_limit_put(const struct inject_limit *limit, struct trace *t,
		      struct user_regs_struct *regs);

#endif
