#include "config.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/signals.h"
#include "cli/text.h"

/* What decides about the order; counted once, then sorted. */
struct rank {
	uint32_t handler;
	int worst; /* severity + 1 of what is found */
	uint64_t reentered, lost, calls, swallowed, critical, clobbered, deliveries;
	bool was_reset, is_current;
	pid_t pid;
	int signo;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b); /* larger first */
}

static int compare_ranks(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	int order = y->worst - x->worst;

	if (!order)
		order = compare_u64(x->reentered, y->reentered);
	if (!order)
		order = compare_u64(x->lost, y->lost);
	if (!order)
		order = compare_u64(x->calls, y->calls);
	if (!order)
		order = compare_u64(x->swallowed, y->swallowed);
	if (!order)
		order = compare_u64(x->was_reset, y->was_reset);
	if (!order)
		order = compare_u64(x->critical, y->critical);
	if (!order)
		order = compare_u64(x->clobbered, y->clobbered);
	if (!order)
		order = compare_u64(x->deliveries, y->deliveries);
	if (!order)
		order = compare_u64(x->is_current, y->is_current);
	if (!order)
		order = compare_u64(y->pid, x->pid);
	if (!order)
		order = compare_u64(y->signo, x->signo);
	return order ? order : compare_u64(y->handler, x->handler);
}

bool signals_is_about(const struct model *m, const struct model_finding *f, uint32_t handler)
{
	const struct model_handler *h = &m->handlers.items[handler];
	const struct model_process *p = &m->processes.items[h->process];

	if (f->signo != h->signo ||
	    strcmp(f->handler ? f->handler : "", h->function ? h->function : ""))
		return false;
	if (view_finding_names(f, h->process))
		return true;
	/* Beyond those that it names, they are of one program. */
	return f->process_count > FINDING_PIDS && f->processes[0] != MODEL_NONE &&
	       !strcmp(m->processes.items[f->processes[0]].exe, p->exe);
}

static int worst_finding(const struct model *m, uint32_t handler)
{
	int worst = 0;

	for (uint32_t i = 0; i < m->findings.count; i++) {
		const struct model_finding *f = &m->findings.items[i];

		if ((int)f->severity >= worst && signals_is_about(m, f, handler))
			worst = (int)f->severity + 1;
	}
	return worst;
}

static void rank_handlers(const struct model *m, struct rank *ranks)
{
	for (uint32_t i = 0; i < m->handlers.count; i++) {
		const struct model_handler *h = &m->handlers.items[i];

		ranks[i] = (struct rank){.handler = i,
					 .worst = worst_finding(m, i),
					 .clobbered = h->errno_clobbered,
					 .was_reset = h->was_reset,
					 .is_current = h->is_current,
					 .deliveries = h->deliveries,
					 .pid = m->processes.items[h->process].pid,
					 .signo = h->signo};
	}
	for (uint32_t i = 0; i < m->interruptions.count; i++) {
		const struct model_interruption *x = &m->interruptions.items[i];

		ranks[x->handler].swallowed += x->count - x->acted;
	}
	for (uint32_t i = 0; i < m->uses.count; i++) {
		const struct model_use *u = &m->uses.items[i];

		if (u->role != USE_INTERRUPTED)
			continue;
		ranks[u->handler].lost += u->dropped;
		ranks[u->handler].critical += u->count;
	}
	for (uint32_t i = 0; i < m->calls.count; i++) {
		const struct model_call *c = &m->calls.items[i];

		if (c->handler == MODEL_NONE || c->jumps_out)
			continue;
		ranks[c->handler].calls += c->count;
		if (c->is_allocator && c->has_interrupted_allocator)
			ranks[c->handler].reentered += c->count;
	}
}

uint32_t *signals_order(const struct model *m)
{
	struct rank *ranks = calloc(m->handlers.count + 1, sizeof(*ranks));
	uint32_t *order = calloc(m->handlers.count + 1, sizeof(*order));

	if (ranks && order) {
		rank_handlers(m, ranks);
		qsort(ranks, m->handlers.count, sizeof(*ranks), compare_ranks);
		for (uint32_t i = 0; i < m->handlers.count; i++)
			order[i] = ranks[i].handler;
	} else {
		free(order);
		order = NULL;
	}
	free(ranks);
	return order;
}

uint64_t signals_stuck(const struct model *m, const struct model_signals *s)
{
	uint64_t blocked = UINT64_MAX;

	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].process == s->process && m->threads.items[i].has_signals)
			blocked &= m->threads.items[i].blocked;
	return s->pending & blocked;
}

uint64_t signals_alone(const struct model *m, const struct model_signals *s, uint32_t thread)
{
	uint64_t blocked = UINT64_MAX;
	uint32_t others = 0;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (i == thread || t->process != s->process || !t->has_signals)
			continue;
		blocked &= t->blocked;
		others++;
	}
	return others ? s->caught & blocked & ~m->threads.items[thread].blocked : 0;
}

uint64_t signals_untakeable(const struct model *m, const struct model_signals *s)
{
	uint64_t blocked = UINT64_MAX;
	uint32_t threads = 0;

	for (uint32_t i = 0; i < m->threads.count; i++) {
		const struct model_thread *t = &m->threads.items[i];

		if (t->process != s->process || !t->has_signals)
			continue;
		blocked &= t->blocked;
		threads++;
	}
	return threads ? s->caught & blocked : 0;
}

/* What decides about the order of processes. */
struct process_rank {
	uint32_t index;
	bool is_stuck;
	pid_t pid;
};

static int compare_process_ranks(const void *a, const void *b)
{
	const struct process_rank *x = a, *y = b;

	if (x->is_stuck != y->is_stuck)
		return y->is_stuck - x->is_stuck;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

uint32_t *signals_process_order(const struct model *m)
{
	struct process_rank *ranks = calloc(m->signals.count + 1, sizeof(*ranks));
	uint32_t *order = calloc(m->signals.count + 1, sizeof(*order));

	for (uint32_t i = 0; ranks && i < m->signals.count; i++) {
		const struct model_signals *s = &m->signals.items[i];

		ranks[i] = (struct process_rank){i, signals_stuck(m, s) != 0,
						 m->processes.items[s->process].pid};
	}
	if (ranks)
		qsort(ranks, m->signals.count, sizeof(*ranks), compare_process_ranks);
	for (uint32_t i = 0; ranks && order && i < m->signals.count; i++)
		order[i] = ranks[i].index;
	if (!ranks) {
		free(order);
		order = NULL;
	}
	free(ranks);
	return order;
}

static int compare_calls(const void *a, const void *b)
{
	const struct handler_call *x = a, *y = b;
	int order = compare_u64(x->count, y->count);

	return order ? order : strcmp(x->function, y->function);
}

struct handler_call *signals_calls(const struct model *m, uint32_t handler, bool jumps,
				   uint32_t *count)
{
	struct handler_call *calls = calloc(m->calls.count + 1, sizeof(*calls));

	*count = 0;
	for (uint32_t i = 0; calls && i < m->calls.count; i++) {
		const struct model_call *c = &m->calls.items[i];
		uint32_t j = 0;

		if (c->handler != handler || (c->jumps_out != 0) != jumps)
			continue;
		while (j < *count && strcmp(calls[j].function, c->function))
			j++;
		if (j == *count)
			calls[(*count)++] =
				(struct handler_call){.function = c->function, .why = c->why};
		calls[j].is_safe_in_libc = c->is_safe_in_libc;
		calls[j].count += c->count;
		if (c->is_allocator && c->has_interrupted_allocator)
			calls[j].reentered += c->count;
	}
	if (calls)
		qsort(calls, *count, sizeof(*calls), compare_calls);
	return calls;
}

/* Appends a word behind a separator; what does not fit is left out. */
static void append(char *buffer, size_t size, const char *separator, const char *word)
{
	size_t length = strlen(buffer);

	snprintf(buffer + length, size - length, "%s%s", length ? separator : "", word);
}

const char *signals_flags(char *buffer, size_t size, uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{SA_RESTART, "SA_RESTART"},     {SA_SIGINFO, "SA_SIGINFO"},
		{SA_ONSTACK, "SA_ONSTACK"},     {SA_NODEFER, "SA_NODEFER"},
		{SA_RESETHAND, "SA_RESETHAND"}, {SA_NOCLDSTOP, "SA_NOCLDSTOP"},
		{SA_NOCLDWAIT, "SA_NOCLDWAIT"},
	};
	char rest[TEXT_SIZE];

	buffer[0] = '\0';
	flags &= ~UINT32_C(0x04000000); /* SA_RESTORER: libc's own business */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (flags & names[i].bit)
			append(buffer, size, "|", names[i].name);
		flags &= ~names[i].bit;
	}
	snprintf(rest, sizeof(rest), "0x%" PRIx32, flags);
	if (flags)
		append(buffer, size, "|", rest);
	if (!*buffer)
		append(buffer, size, "", "0");
	return buffer;
}

const char *signals_errno(char buffer[TEXT_SIZE], int number)
{
	const char *name = number ? strerrorname_np(number) : "0";

	if (name)
		return name;
	snprintf(buffer, TEXT_SIZE, "%d", number);
	return buffer;
}

const char *signals_way(uint32_t way)
{
	switch ((enum handler_way)way) {
	case WAY_SIGACTION:
		return "sigaction";
	case WAY_SIGNAL:
		return "signal";
	case WAY_SYSV_SIGNAL:
		return "sysv_signal";
	case WAY_SIGSET:
		return "sigset";
	default:
		return "change";
	}
}

const char *signals_mask(char *buffer, size_t size, uint64_t mask)
{
	char name[TEXT_SIZE];

	buffer[0] = '\0';
	/* sigfillset() leaves out the two that libc needs for itself. */
	if ((mask | UINT64_C(3) << 31) == UINT64_MAX)
		append(buffer, size, "", "all");
	else
		for (int signo = 1; signo <= 64; signo++)
			if (mask & UINT64_C(1) << (signo - 1))
				append(buffer, size, ",", text_signal(name, signo));
	if (!*buffer)
		append(buffer, size, "", "none");
	return buffer;
}
