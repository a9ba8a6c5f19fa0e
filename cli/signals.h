/*
 * Handlers of signals in the order of their danger, and what each called. Shared by the renderers.
 */
#ifndef LOCKJAM_SIGNALS_H
#define LOCKJAM_SIGNALS_H

#include "cli/view.h"

/* A function that a handler called: all its sites of one handler. */
struct handler_call {
	const char *function;
	uint64_t count;
	uint64_t reentered; /* of these, while the allocator was interrupted */
};

/*
 * Indices of all handlers, worst first: re-entered heap, unsafe calls, swallowed signals, reset,
 * changed errno, deliveries;
 * then by pid and signal. malloc'ed, model.handlers.count long; NULL if memory is out.
 */
uint32_t *signals_order(const struct model *m);

/* Pending signals of the process that every one of its threads blocks. */
uint64_t signals_stuck(const struct model *m, const struct model_signals *s);

/* Indices of model.signals: those with signals that nobody can take first, then by pid. malloc'ed;
 * NULL if memory is out. */
uint32_t *signals_process_order(const struct model *m);

/*
 * What a handler called, most often first; or (jumps) by what it was left without a return. malloc'ed; NULL
 * with *count 0 if nothing.
 */
struct handler_call *signals_calls(const struct model *m, uint32_t handler, bool jumps,
				   uint32_t *count);

/* "SA_RESTART|SA_SIGINFO", "0" without any; unknown bits in hexadecimal. Fills and returns buffer.
 */
const char *signals_flags(char *buffer, size_t size, uint32_t flags);
/* "sigaction": what enum handler_way's bit `way` (1, 2, 4...) is called. */
const char *signals_way(uint32_t way);
/* "SIGINT,SIGTERM", "none", "all". */
const char *signals_mask(char *buffer, size_t size, uint64_t mask);

#endif
