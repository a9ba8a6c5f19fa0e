/*
 * Handlers of signals in the order of their danger, and what each called. Shared by the renderers.
 */
#ifndef LOCKJAM_SIGNALS_H
#define LOCKJAM_SIGNALS_H

#include "cli/text.h"
#include "cli/view.h"

/* A function that a handler called: all its sites of one handler. */
struct handler_call {
	const char *function;
	const char *why; /* what makes it unsafe, NULL unknown */
	bool is_safe_in_libc;
	uint64_t count;
	uint64_t reentered; /* of these, while the allocator was interrupted */
};

/*
 * Indices of all handlers, worst first: the severity of what is found, re-entered heap, locks lost,
 * unsafe calls, swallowed signals, reset, locks held, changed errno, deliveries; those in force before
 * others; then by pid and signal. malloc'ed, model.handlers.count long; NULL if memory is out.
 */
uint32_t *signals_order(const struct model *m);

/* Is the finding about this handler? */
bool signals_is_about(const struct model *m, const struct model_finding *f, uint32_t handler);

/*
 * Equal processes have equal handlers: those of one program, function, signal, flags and fate, which called
 * the same unsafe functions, are one group. `handler` is the worst of them.
 */
struct handler_group {
	uint32_t handler;
	uint32_t others;     /* of other processes, or images of this one */
	uint64_t deliveries; /* of the others */
};
/* In the order of `order` (signals_order). malloc'ed; NULL if memory is out. */
struct handler_group *signals_groups(const struct model *m, const uint32_t *order, uint32_t *count);

/* The different functions that its unsafe calls interrupted, up to `room`; their number. */
uint32_t signals_interrupted(const struct model *m, uint32_t handler, const char **functions,
			     uint32_t room);

/* Pending signals of the process that every one of its threads blocks. */
uint64_t signals_stuck(const struct model *m, const struct model_signals *s);

/* Of the signals that the process catches: those that only this one of several threads can take
 * now, and those that all its threads block. */
uint64_t signals_alone(const struct model *m, const struct model_signals *s, uint32_t thread);
uint64_t signals_untakeable(const struct model *m, const struct model_signals *s);

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
/* "EINTR"; the number, if it has no name. Returns buffer, or a name that lives for ever. */
const char *signals_errno(char buffer[TEXT_SIZE], int number);
/* "SIGINT,SIGTERM", "none", "all". */
const char *signals_mask(char *buffer, size_t size, uint64_t mask);

#endif
