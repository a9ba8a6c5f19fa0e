/*
 * See sample_signals.h. A look costs some 20 us a thread, so it comes with the beat only, and of
 * many processes and threads the first are looked at.
 */
#include "config.h"

#include "collector/sample/sample_signals.h"

#include "collector/proc/pending.h"

#define THREADS_MAX 256

static void begin(struct sample_held *held, const struct pending *look, uint64_t now_ns)
{
	*held = (struct sample_held){.signals = look->held_back,
				     .since_ns = now_ns,
				     .switches = look->switches,
				     .looks = 1,
				     .has_run = look->is_awake};
}

static void go_on(struct sample_held *held, const struct pending *look)
{
	held->has_run |= look->is_awake || look->switches != held->switches;
	held->signals &= look->held_back;
	held->looks++;
}

static void record(struct seg_header *h, const struct sample_held *held, uint64_t now_ns)
{
	if (now_ns - held->since_ns < h->held_back_last_ns - h->held_back_since_ns)
		return;
	h->held_back = held->signals;
	h->held_back_since_ns = held->since_ns;
	h->held_back_last_ns = now_ns;
	h->held_back_looks = held->looks;
	h->held_back_run = held->has_run;
}

static void look(const struct proc *proc, struct sample_process *p, uint64_t now_ns)
{
	struct pending look = pending_look(proc, p->pid);
	uint64_t expected;

	if (look.held_back)
		look.held_back &=
			pending_expected(proc, p->pid, &expected) ? ~expected : UINT64_C(0);
	if (!(p->held.signals & look.held_back)) {
		begin(&p->held, &look, now_ns);
		return;
	}
	go_on(&p->held, &look);
	record(sample_segment_header(p->segment), &p->held, now_ns);
}

void sample_signals_look(struct sample_processes *ps, uint64_t now_ns)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < ps->count; i++) {
		struct sample_process *p = ps->items[i];
		uint32_t threads = p->thread_count > 0 ? (uint32_t)p->thread_count : 1;

		if (!p->is_target || threads > THREADS_MAX - done)
			continue;
		look(ps->proc, p, now_ns);
		done += threads;
	}
}
