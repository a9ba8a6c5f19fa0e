#include "config.h"

#include "collector/inject/inject_remote.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/inject/inject_arch.h"

#define STRINGS 2
#define STRING_MAX PATH_MAX
#define STOP_NS UINT64_C(1000000000) /* that a thread that is about to stop gets for it */
#define MUTEX_OWNER 2 /* of a pthread_mutex_t's words, and its kind: glibc's struct */
#define MUTEX_KIND 4  /* __pthread_mutex_s of x86-64, since 2.0 */
#define MUTEX_RECURSIVE 1

/* Faults are the thread's own: blocked, they would reset the program's handlers. */
static const int unblocked[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

static uint64_t signal_bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

static uint64_t call_mask(const struct inject_remote *r)
{
	uint64_t mask = UINT64_MAX & ~signal_bit(r->report);

	for (size_t i = 0; i < sizeof(unblocked) / sizeof(unblocked[0]); i++)
		mask &= ~signal_bit(unblocked[i]);
	return mask;
}

static uint64_t caught_signals(const struct inject_target *t)
{
	static const char key[] = "\nSigCgt:";
	uint64_t caught = 0;
	size_t length;
	char *text;

	if (proc_read(t->proc, &text, &length, "%d/status", (int)t->pid))
		return 0;
	const char *found = strstr(text, key);

	if (found)
		caught = strtoull(found + strlen(key), NULL, 16);
	free(text);
	return caught;
}

/* A signal without a handler, which is ignored then. Should there be a handler for each of them, it
 * runs only if lockjam is killed meanwhile. */
static int find_report(uint64_t caught)
{
	static const int ignored[] = {SIGURG, SIGWINCH, SIGCHLD};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (!(caught & signal_bit(ignored[i])))
			return ignored[i];
	return ignored[0];
}

/* --- beginning ----------------------------------------------------------------------------------
 */

/* Nothing, or what a lockjam that was killed has begun to write: nobody runs that. */
static bool is_free(const char *there, const char *code, size_t size)
{
	size_t same = 0;

	while (same < size && there[same] == code[same])
		same++;
	while (same < size && !there[same])
		same++;
	return same == size;
}

/*
 * Once it is there it stays: several lockjams may use it at a time. What another version has put
 * there stays as well.
 */
static int write_code(struct inject_remote *r)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t end = (r->target->cave + page - 1) & ~(page - 1);
	struct trace *t = &r->point->trace;
	char there[1024];
	size_t size;
	const void *code = inject_arch_code(&size);

	for (r->code = r->target->cave; r->code + size <= end; r->code += (size + 63) & ~63ul) {
		if (size > sizeof(there) || trace_read(t, r->code, there, size))
			return -EFAULT;
		if (!memcmp(there, code, size))
			return 0;
		if (is_free(there, code, size))
			return trace_write_code(t, r->code, code, size);
	}
	return -ENOSPC;
}

int inject_remote_begin(struct inject_remote *r, struct inject_target *t,
			struct inject_point *point)
{
	uint64_t top_address = inject_arch_top(&point->before.regs);
	uint64_t xstate = (top_address - point->before.xstate_size) & ~UINT64_C(63);
	char *stack;

	*r = (struct inject_remote){.target = t, .point = point};
	r->block = (xstate - sizeof(struct inject_block)) & ~UINT64_C(15);
	r->text = (r->block - STRINGS * STRING_MAX) & ~UINT64_C(15);
	r->sp = (r->text - 64) & ~UINT64_C(63);
	size_t size = top_address + sizeof(struct inject_top) - r->sp;

	if (size > INJECT_STACK)
		return -ENOSPC;
	stack = calloc(1, size);
	if (!stack)
		return -ENOMEM;
	uint64_t caught = caught_signals(t);

	r->report = find_report(caught);
	struct inject_block block = {.call_mask = call_mask(r),
				     .caught = caught & ~point->before.mask,
				     .xstate = xstate,
				     .report = (uint32_t)r->report};
	struct inject_top top;

	inject_arch_way_back(&point->before, top_address, &block, &top);
	memcpy(stack + (top_address - r->sp), &top, sizeof(top));
	memcpy(stack + (xstate - r->sp), point->before.xstate, point->before.xstate_size);
	memcpy(stack + (r->block - r->sp), &block, sizeof(block));
	int error = trace_write(&point->trace, r->sp, stack, size);

	free(stack);
	return error ? error : write_code(r);
}

uint64_t inject_remote_string(struct inject_remote *r, unsigned index, const char *text)
{
	uint64_t address = r->text + (uint64_t)index * STRING_MAX;
	size_t size = strlen(text) + 1;

	if (index >= STRINGS || size > STRING_MAX ||
	    trace_write(&r->point->trace, address, text, size))
		return 0;
	return address;
}

/* --- a call
 * --------------------------------------------------------------------------------------- */

static bool is_report(struct inject_remote *r)
{
	struct user_regs_struct regs;

	return r->point->trace.signo == r->report &&
	       !trace_get_registers(&r->point->trace, &regs) &&
	       inject_arch_is_report(&regs, r->code, r->block);
}

/* From one stop to the next, up to the report. */
static int run(struct inject_remote *r, uint64_t deadline_ns)
{
	struct trace *t = &r->point->trace;
	int signo = 0;

	for (;;) {
		if (trace_resume(t, signo))
			return -ESRCH;
		signo = 0;
		switch (trace_wait(t, deadline_ns)) {
		case TRACE_SIGNAL:
			if (is_report(r))
				return 0;
			/* All others are blocked or its own. */
			if (t->signo != SIGSTOP && t->signo != r->report)
				return -EFAULT;
			signo = t->signo;
			break;
		case TRACE_PAUSE:
			break;
		case TRACE_RUNS:
			return -ETIMEDOUT;
		case TRACE_EXEC:
		case TRACE_GONE:
			return -ESRCH;
		}
	}
}

static int enter(struct inject_remote *r, uint64_t function, const uint64_t arguments[3])
{
	struct user_regs_struct regs = r->point->before.regs;
	struct trace *t = &r->point->trace;
	uint64_t call[4] = {function, arguments[0], arguments[1], arguments[2]};
	int error = trace_write(t, r->block + INJECT_FUNCTION, call, sizeof(call));

	if (error)
		return error;
	inject_arch_enter(&regs, r->code, r->block, r->sp);
	error = trace_set_registers(t, &regs);
	if (error)
		return error;
	/* From here on it finds back by itself, with its own mask. Signals wait for that. */
	r->has_run = true;
	return trace_set_mask(t, call_mask(r));
}

int inject_remote_call(struct inject_remote *r, uint64_t function, const uint64_t arguments[3],
		       uint64_t deadline_ns, uint64_t *result)
{
	int error = enter(r, function, arguments);

	if (!error)
		error = run(r, deadline_ns);
	if (!error)
		error = trace_read(&r->point->trace, r->block + INJECT_RESULT, result,
				   sizeof(*result));
	return error;
}

/* --- the way back
 * ----------------------------------------------------------------------------------- */

/* Does the thread own one of the loader's locks? Those are recursive mutexes among its variables.
 */
static bool owns_loader_lock(struct inject_remote *r, const struct inject_map *map, uint32_t tid)
{
	size_t size = map->end - map->start;
	uint32_t *words = size <= (1 << 20) ? malloc(size) : NULL;
	bool owns = !words || trace_read(&r->point->trace, map->start, words, size);

	for (size_t i = 0; !owns && i + MUTEX_KIND < size / sizeof(*words); i++)
		owns = words[i] && words[i + MUTEX_OWNER] == tid &&
		       words[i + MUTEX_KIND] == MUTEX_RECURSIVE;
	free(words);
	return owns;
}

/* As the thread itself knows its number. */
static uint32_t own_tid(const struct inject_remote *r)
{
	char text[4096];
	uint32_t tid = (uint32_t)r->point->trace.tid;

	if (proc_read_some(r->target->proc, text, sizeof(text), "%d/task/%d/status",
			   (int)r->target->pid, (int)tid) <= 0)
		return tid;
	const char *line = strstr(text, "\nNSpid:");
	size_t length = line ? strcspn(line + 1, "\n") + 1 : 0;

	for (size_t i = 0; i < length; i++)
		if (line[i] == '\t')
			tid = (uint32_t)strtoul(line + i, NULL, 10);
	return tid;
}

/* Waits for the first of the loader's locks: it has done nothing yet that it would have to undo. */
static bool waits_at_door(struct inject_remote *r)
{
	struct user_regs_struct regs;
	struct proc_syscall call;
	const struct module *module;

	if (trace_get_registers(&r->point->trace, &regs) ||
	    !inject_arch_interrupted(&regs, &call) || call.number != SYS_futex ||
	    (call.args[1] & FUTEX_CMD_MASK) != FUTEX_WAIT ||
	    inject_target_kind(r->target, call.args[0], &module) != INJECT_MODULE_LOADER)
		return false;
	const struct inject_map *map = inject_maps_find(&r->target->maps, call.args[0]);

	return map && !owns_loader_lock(r, map, own_tid(r));
}

/* Into a stop where the kernel decides about system calls and signals. */
static bool pause_thread(struct inject_remote *r)
{
	struct trace *t = &r->point->trace;
	uint64_t deadline_ns = trace_clock_ns() + STOP_NS;
	int signo = 0;

	if (t->stop == TRACE_PAUSE || t->stop == TRACE_SIGNAL)
		return true;
	if (trace_interrupt(t))
		return false;
	while (t->stop != TRACE_PAUSE) {
		if (t->stop != TRACE_RUNS && trace_resume(t, signo))
			return false;
		trace_wait(t, deadline_ns);
		if (t->stop == TRACE_SIGNAL && t->signo != SIGSTOP)
			return true; /* also good for that */
		if (t->stop == TRACE_EXEC)
			trace_detach(t, 0);
		if (t->stop == TRACE_RUNS || t->stop == TRACE_GONE)
			return false;
		signo = t->stop == TRACE_SIGNAL ? t->signo : 0;
	}
	return true;
}

bool inject_remote_end(struct inject_remote *r)
{
	struct trace *t = &r->point->trace;
	bool was_running = t->stop == TRACE_RUNS;

	if (!r->has_run) {
		inject_point_leave(r->point);
		return true;
	}
	/* Another program has nothing to be put back. */
	if (t->stop == TRACE_EXEC)
		trace_detach(t, 0);
	if (t->stop == TRACE_GONE || !pause_thread(r))
		return false;
	if (was_running && !waits_at_door(r)) {
		trace_detach(t, 0);
		return false;
	}
	/* Somebody else's signal is delivered to where the thread was, a fault of the call is not.
	 */
	int signo = t->stop == TRACE_SIGNAL && !trace_is_fault(t) ? t->signo : 0;

	inject_limit_put(&r->point->limit, t, &r->point->before.regs);
	if (trace_set(t, &r->point->before))
		return false;
	trace_detach(t, signo);
	return true;
}
