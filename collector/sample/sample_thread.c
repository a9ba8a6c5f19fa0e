/* Threads of the recorded processes, and which of them waits. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "collector/sample/sample_record.h"

uint32_t sample_thread(struct sample_process *p, pid_t tid)
{
	for (uint32_t i = 1; tid && i <= sample_records(p->segment, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);

		if (t->tid == tid)
			return i;
	}
	return 0;
}

static void add_thread(struct sample_process *p, pid_t tid, uint64_t now_ns)
{
	uint32_t index = 0;

	for (uint32_t i = 1; !index && i <= sample_records(p->segment, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);

		index = t->tid ? 0 : i;
	}
	if (!index)
		index = sample_record_new(p->segment, SEG_THREADS);
	struct seg_thread *t = sample_record_begin(p->segment, SEG_THREADS, index);

	if (!t)
		return;
	*t = (struct seg_thread){.seq = t->seq, .tid = tid, .first_ns = now_ns};
	sample_record_end(p->segment, SEG_THREADS, index);
}

static void drop_thread(struct sample_process *p, uint32_t index)
{
	struct seg_thread *t = sample_record_begin(p->segment, SEG_THREADS, index);

	t->tid = 0;
	sample_record_end(p->segment, SEG_THREADS, index);
}

static void keep_main(const struct sample_look *look, struct sample_process *p)
{
	for (uint32_t i = 1; i <= sample_records(p->segment, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);

		if (t->tid && t->tid != p->pid)
			drop_thread(p, i);
	}
	if (!sample_thread(p, p->pid))
		add_thread(p, p->pid, look->now_ns);
}

static void keep_only(const struct sample_look *look, struct sample_process *p,
		      const uint32_t *order, uint32_t count)
{
	const struct model_thread *threads = look->m->threads.items;

	for (uint32_t i = 1; i <= sample_records(p->segment, SEG_THREADS); i++) {
		const struct seg_thread *t = sample_record(p->segment, SEG_THREADS, i);
		uint32_t n = 0;

		while (n < count && threads[order[n]].tid != t->tid)
			n++;
		if (t->tid && n == count)
			drop_thread(p, i);
	}
}

/* order[0..count): the model's threads of this process. */
static void sync_threads(const struct sample_look *look, uint32_t process, const uint32_t *order,
			 uint32_t count)
{
	struct sample_process *p = look->processes[process];
	const struct model_thread *threads = look->m->threads.items;

	if (!count && !look->is_waiting[process])
		return;
	/* Of many equal waiters the collector looks into some only; with one thread all is said. */
	if (!count && p->thread_count == 1) {
		keep_main(look, p);
		return;
	}
	/* Of whose threads nothing is known nothing may be concluded from how many there were. */
	sample_segment_header(p->segment)->sample_unseen += !count;
	keep_only(look, p, order, count);
	for (uint32_t n = 0; n < count; n++)
		if (!sample_thread(p, threads[order[n]].tid))
			add_thread(p, threads[order[n]].tid, look->now_ns);
}

static int compare_threads(const void *x, const void *y, void *threads)
{
	const struct model_thread *a = (const struct model_thread *)threads + *(const uint32_t *)x;
	const struct model_thread *b = (const struct model_thread *)threads + *(const uint32_t *)y;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return (a->tid > b->tid) - (a->tid < b->tid);
}

int sample_threads_record(struct sample_look *look)
{
	const struct model *m = look->m;
	uint32_t *order = calloc(m->threads.count + (size_t)1, sizeof(*order)), count = 0,
		 first = 0;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->threads.count; i++)
		if (m->threads.items[i].process != MODEL_NONE && m->threads.items[i].task_state)
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_threads, m->threads.items);
	for (uint32_t n = 0; n < m->processes.count; n++) {
		uint32_t end = first;

		while (end < count && m->threads.items[order[end]].process == n)
			end++;
		if (look->processes[n])
			sync_threads(look, n, order + first, end - first);
		first = end;
	}
	free(order);
	return 0;
}

static bool is_lock_call(const struct model_thread *t, enum lock_kind kind)
{
	if (kind == LOCK_FLOCK)
		return t->syscall == SYS_flock;
	return t->syscall == SYS_fcntl &&
	       (int)t->syscall_args[1] == (kind == LOCK_OFD ? F_OFD_SETLKW : F_SETLKW);
}

pid_t sample_waiter(const struct sample_look *look, const struct model_lock *l)
{
	pid_t found = 0;

	if (l->thread != MODEL_NONE)
		return look->m->threads.items[l->thread].tid;
	for (uint32_t i = 0; l->state == LOCK_WAITING && i < look->m->threads.count; i++) {
		const struct model_thread *t = &look->m->threads.items[i];

		if (t->process != l->process || !is_lock_call(t, l->kind))
			continue;
		if (found)
			return 0;
		found = t->tid;
	}
	if (!found && l->state == LOCK_WAITING && look->processes[l->process]->thread_count == 1)
		found = look->processes[l->process]->pid;
	return found;
}
