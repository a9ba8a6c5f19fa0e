#include "config.h"

#include "collector/inject/inject_point.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/inject/inject_arch.h"
#include "collector/stack/stack_live.h"

#define STOP_NS                                                                                    \
	UINT64_C(2000000000) /* that a thread gets to come to its stop: it may wait for a          \
				processor */
#define NAP_NS 5000000
#define FRAMES_MAX 1000
#define STACK_ROOM (64 * 1024 + INJECT_STACK) /* that a call may take, and that we do */

/* A thread as it was seen before it was stopped. */
struct sight {
	pid_t tid;
	struct proc_syscall call;
	enum inject_call way; /* where it waits */
	unsigned long switches;
	uint64_t seen_ns, asleep_ns; /* the second of INJECT_CALL_TIMED */
};

static unsigned long count_switches(const struct inject_target *t, pid_t tid)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char text[4096];

	if (proc_read_some(t->proc, text, sizeof(text), "%d/task/%d/status", (int)t->pid,
			   (int)tid) <= 0)
		return 0;
	const char *found = strstr(text, key);

	return found ? strtoul(found + strlen(key), NULL, 10) : 0;
}

/* --- before it is stopped
 * -------------------------------------------------------------------------- */

static bool judge_waiting(struct inject_target *t, const struct sight *s, const char **reason)
{
	struct unwind_frames frames;
	struct unwind_start start;
	struct stack_live *live;

	const struct stack_subject subject = {t->proc, t->pid, s->tid, false};

	if (stack_live_look(&subject, &live, reason))
		return false;
	stack_live_start(live, &start);
	bool is_safe = !unwind(t->unwinder, &start, FRAMES_MAX, &frames);

	if (is_safe) {
		is_safe = inject_judge(t, &frames, true, reason);
		unwind_frames_done(&frames);
	}
	stack_live_free(live);
	return is_safe;
}

static bool look(struct inject_target *t, struct sight *s, const char **reason)
{
	*reason = "the thread is gone";
	s->switches = count_switches(t, s->tid);
	s->seen_ns = trace_clock_ns();
	if (proc_read_syscall(t->proc, t->pid, s->tid, &s->call))
		return false;
	*reason = "may be in the program's own allocator";
	if (s->call.is_running)
		return !t->program_allocates;
	*reason = "waits outside of system calls";
	if (s->call.number < 0)
		return false;
	s->way = inject_call_judge(t->pid, &s->call, reason);
	if (s->way == INJECT_CALL_NEVER)
		return false;
	if (s->way == INJECT_CALL_TIMED) {
		*reason = "waits with a time limit, of which the rest is not known";
		if (!proc_asleep_ns(t->proc, t->pid, s->tid, &s->asleep_ns))
			return false;
		s->seen_ns = trace_clock_ns();
	}
	return judge_waiting(t, s, reason);
}

/* --- once it is stopped
 * ---------------------------------------------------------------------------- */

static bool read_memory(void *context, uint64_t address, void *data, size_t size)
{
	struct inject_point *point = context;

	return !trace_read(&point->trace, address, data, size);
}

static bool judge_stopped(struct inject_target *t, struct inject_point *point, bool is_waiting,
			  const char **reason)
{
	struct unwind_start start = {.read = read_memory, .context = point, .known = ARCH_ALL_REGS};
	struct arch_stopped stopped;
	struct unwind_frames frames;

	*reason = "has registers that are not known here";
	if (!arch_read_regset(&point->before.regs, sizeof(point->before.regs), &stopped))
		return false;
	memcpy(start.regs, stopped.regs, sizeof(start.regs));
	*reason = "memory is out";
	if (unwind(t->unwinder, &start, FRAMES_MAX, &frames))
		return false;
	bool is_safe = inject_judge(t, &frames, is_waiting, reason);

	unwind_frames_done(&frames);
	return is_safe;
}

/* It is the thread's own stack, not that of a coroutine, and has room. */
static bool has_stack(const struct inject_target *t, const struct inject_point *point)
{
	uint64_t sp = inject_arch_sp(&point->before.regs);
	const struct inject_map *map = inject_maps_find(&t->maps, sp);
	bool is_main = point->trace.tid == t->pid;

	if (!map || strncmp(map->access, "rw", 2) || sp % 8 || sp - map->start < INJECT_STACK)
		return false;
	if (is_main && !strcmp(map->path, "[stack]"))
		return true; /* it grows */
	return point->tls >= map->start && point->tls < map->end && sp - map->start >= STACK_ROOM;
}

static bool judge(struct inject_target *t, struct inject_point *point, const char **reason)
{
	bool is_waiting = point->call.number >= 0;

	if (is_waiting && inject_call_judge(t->pid, &point->call, reason) == INJECT_CALL_NEVER)
		return false;
	*reason = "is in a restartable sequence";
	if (trace_is_in_sequence(&point->trace, inject_arch_pc(&point->before.regs)))
		return false;
	*reason = "has too little room on its stack";
	return has_stack(t, point) && judge_stopped(t, point, is_waiting, reason);
}

void inject_point_leave(struct inject_point *point)
{
	inject_limit_put(&point->limit, &point->trace, &point->before.regs);
	trace_set_registers(&point->trace, &point->before.regs);
	trace_detach(&point->trace, 0);
}

/*
 * An EINTR without a handler is nothing that a program should see: it is made good at once, before
 * anything can happen to us.
 */
static int take_call(struct inject_point *point, const struct sight *s, const char **reason)
{
	/* Seen running a moment ago: all of its time is left. */
	uint64_t began_ns = s->call.is_running ? trace_clock_ns() : s->seen_ns - s->asleep_ns;
	struct user_regs_struct *regs = &point->before.regs;
	int error = trace_get_registers(&point->trace, regs);

	*reason = "has registers that are not known here";
	point->call.number = -1;
	point->limit.form = INJECT_LIMIT_NONE;
	if (!error && !inject_arch_is_known(regs))
		error = -ENOTSUP;
	if (error || !inject_arch_interrupted(regs, &point->call))
		return error;
	inject_limit_take(&point->limit, &point->trace, &point->call, began_ns);
	if (!inject_arch_repeat(regs))
		return 0;
	inject_limit_put(&point->limit, &point->trace, regs);
	return trace_set_registers(&point->trace, regs);
}

/* 0: it stands. -EAGAIN: not this one. -ETIMEDOUT: it did not stop, and is let go with our end. */
static int stop(const struct sight *s, struct inject_point *point, const char **reason)
{
	uint64_t deadline = trace_clock_ns() + STOP_NS;
	int error = trace_seize(&point->trace, s->tid);

	*reason = "the thread is gone";
	if (!error)
		error = trace_interrupt(&point->trace);
	if (error)
		return error;
	while (trace_wait(&point->trace, deadline) == TRACE_SIGNAL)
		trace_resume(&point->trace, point->trace.signo);
	*reason = "does not come to a stop";
	if (point->trace.stop == TRACE_RUNS)
		return -ETIMEDOUT;
	*reason = "became another program";
	if (point->trace.stop == TRACE_EXEC)
		trace_detach(&point->trace, 0);
	if (point->trace.stop != TRACE_PAUSE)
		return -EAGAIN;
	error = take_call(point, s, reason);
	if (!error)
		error = trace_get(&point->trace, &point->before);
	if (error)
		trace_detach(&point->trace, 0);
	point->tls = inject_arch_tls(&point->before.regs);
	return error;
}

/* It has not been elsewhere since it was seen: of switches there was only ours. */
static bool has_stayed(const struct inject_target *t, const struct inject_point *point,
		       const struct sight *s)
{
	return point->limit.form != INJECT_LIMIT_MS || s->call.is_running ||
	       count_switches(t, s->tid) - s->switches <= 1;
}

static int try_thread(struct inject_target *t, pid_t tid, struct inject_point *point,
		      const char **reason)
{
	struct sight sight = {.tid = tid};

	if (!look(t, &sight, reason))
		return -EAGAIN;
	int error = stop(&sight, point, reason);

	if (error)
		return error == -ESRCH || error == -EAGAIN ? -EAGAIN : error;
	*reason = "waits with a time limit, of which the rest is not known";
	if (has_stayed(t, point, &sight) && judge(t, point, reason))
		return 0;
	inject_point_leave(point);
	return -EAGAIN;
}

int inject_point_find(struct inject_target *t, uint64_t deadline_ns, struct inject_point *point,
		      const char **reason)
{
	int error = -EAGAIN;

	*reason = "has no threads";
	while (error == -EAGAIN) {
		int *tids;
		ssize_t count = proc_list(t->proc, &tids, "%d/task", (int)t->pid);

		if (count <= 0)
			return -ESRCH;
		for (ssize_t i = 0; i < count && error == -EAGAIN; i++)
			error = try_thread(t, tids[i], point, reason);
		free(tids);
		if (error != -EAGAIN || trace_clock_ns() > deadline_ns)
			break;
		nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
		/* It may have loaded what the unwinder does not know. */
		if (inject_target_refresh(t))
			return -ESRCH;
	}
	return error;
}
