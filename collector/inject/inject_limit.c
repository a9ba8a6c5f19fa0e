#include "config.h"

#include "collector/inject/inject_limit.h"

#include "collector/inject/inject_arch.h"

#define SECOND_NS INT64_C(1000000000)

/* struct timeval, struct timespec */
struct span {
	int64_t seconds, part;
};

static int64_t part_ns(const struct inject_limit *limit)
{
	return limit->form == INJECT_LIMIT_TIMEVAL ? 1000 : 1;
}

void inject_limit_take(struct inject_limit *limit, struct trace *t, const struct proc_syscall *call,
		       uint64_t began_ns)
{
	unsigned argument;
	struct span left;

	*limit = (struct inject_limit){.form = inject_call_limit(call->number, &argument)};
	if (limit->form == INJECT_LIMIT_MS && (int)call->args[argument] >= 0) {
		limit->until_ns = began_ns + call->args[argument] * UINT64_C(1000000);
		return;
	}
	limit->address = call->args[argument];
	if (limit->form == INJECT_LIMIT_NONE || limit->form == INJECT_LIMIT_MS || !limit->address ||
	    trace_read(t, limit->address, &left, sizeof(left)) || left.seconds < 0 ||
	    left.seconds > INT64_MAX / SECOND_NS / 2) {
		limit->form = INJECT_LIMIT_NONE;
		return;
	}
	limit->until_ns = trace_clock_ns() +
			  (uint64_t)(left.seconds * SECOND_NS + left.part * part_ns(limit));
}

void inject_limit_put(const struct inject_limit *limit, struct trace *t,
		      struct user_regs_struct *regs)
{
	uint64_t now = trace_clock_ns();
	int64_t left = limit->until_ns > now ? (int64_t)(limit->until_ns - now) : 0;
	struct span span = {left / SECOND_NS, left % SECOND_NS / part_ns(limit)};

	if (limit->form == INJECT_LIMIT_MS)
		inject_arch_set_limit(regs, (uint64_t)(left + 999999) / 1000000);
	else if (limit->form != INJECT_LIMIT_NONE)
		trace_write(t, limit->address, &span, sizeof(span));
}
