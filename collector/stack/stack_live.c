#include "config.h"

#include "collector/stack/stack_live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/ptrace/ptrace_copy.h"

#define LOOKS 2   /* at a blocked thread, that went on meanwhile */
#define ROUNDS 10 /* of a thread that runs and blocks by turns */
/* Copied while a thread stands: at first enough for nearly all stacks; then, of one that was found
 * to be deeper, at most what takes a third of a millisecond. */
#define STOPPED_FIRST (64 * 1024)
#define STOPPED_MAX (1024 * 1024)
#define STOPPED_MORE (16 * 1024)
#define COPY_MAX (256 * 1024)
#define COPY_STEP (64 * 1024)

/* Where a thread stands, and how often it has given up the processor: if neither changes, it has
 * not run in between. */
struct moment {
	struct proc_syscall syscall;
	unsigned long long switches;
};

struct stack_live {
	const struct proc *proc;
	pid_t pid, tid; /* memory is read by the thread's number: the main thread may have ended */
	struct moment moment;
	char *copy; /* of the stack, from `from` up */
	uint64_t from;
	size_t length;
	uint64_t read_up_to; /* the highest address of the stack that was asked for beyond the copy
			      */
	bool was_stopped;
	bool has_asked_again;    /* it was stopped just when it had asked for a file lock */
	uint64_t stood_ns;       /* in all */
	struct ptrace_copy stop; /* was_stopped: its registers */
	bool has_read_beyond, has_read_data_beyond;
};

static unsigned long long count_switches(const struct proc *proc, pid_t pid, pid_t tid)
{
	static const char key[] = "\nvoluntary_ctxt_switches:";
	char *text;
	size_t length;
	unsigned long long count = 0;

	if (proc_read(proc, &text, &length, "%d/task/%d/status", (int)pid, (int)tid))
		return 0;
	const char *found = strstr(text, key);

	if (found)
		count = strtoull(found + strlen(key), NULL, 10);
	free(text);
	return count;
}

static int take_moment(const struct stack_live *live, struct moment *moment)
{
	memset(moment, 0, sizeof(*moment));
	moment->switches = count_switches(live->proc, live->pid, live->tid);
	return proc_read_syscall(live->proc, live->pid, live->tid, &moment->syscall);
}

static bool is_same_moment(const struct moment *a, const struct moment *b)
{
	const struct proc_syscall *x = &a->syscall, *y = &b->syscall;

	return a->switches == b->switches && !y->is_running && x->number == y->number &&
	       x->sp == y->sp && x->pc == y->pc && !memcmp(x->args, y->args, sizeof(x->args));
}

/* As much of the stack as is mapped above sp, up to COPY_MAX. */
static void copy_stack(struct stack_live *live)
{
	size_t step = COPY_STEP;

	live->length = 0;
	live->from = live->moment.syscall.sp;
	while (live->length < COPY_MAX && step >= 8) {
		size_t want = COPY_MAX - live->length < step ? COPY_MAX - live->length : step;
		ssize_t got = proc_read_memory(live->proc, live->tid, live->from + live->length,
					       live->copy + live->length, want);
		if (got > 0)
			live->length += (size_t)got;
		if (got < (ssize_t)want)
			step /= 2;
	}
}

/* -EAGAIN: it runs, or ran meanwhile. */
static int look_once(struct stack_live *live)
{
	struct moment after;
	int error = take_moment(live, &live->moment);

	if (error)
		return error;
	if (live->moment.syscall.is_running)
		return -EAGAIN;
	copy_stack(live);
	error = take_moment(live, &after);
	if (error)
		return error;
	return is_same_moment(&live->moment, &after) ? 0 : -EAGAIN;
}

static int look_blocked(struct stack_live *live)
{
	int error = -EAGAIN;

	for (int i = 0; error == -EAGAIN && i < LOOKS; i++)
		error = look_once(live);
	return error;
}

static int copy_running(struct stack_live *live, size_t room)
{
	int error;

	live->stop.stack = live->copy;
	live->stop.room = room;
	/* Touched here, not while it stands. */
	memset(live->copy, 0, room);
	error = ptrace_copy_thread(live->proc, live->pid, live->tid, &live->stop);
	live->stood_ns += live->stop.stood_ns;
	live->has_asked_again |= error == -EAGAIN && live->stop.interrupted >= 0;
	live->was_stopped = !error;
	if (error)
		return error;
	live->from = live->stop.from;
	live->length = live->stop.length;
	live->moment.syscall = (struct proc_syscall){.is_running = true,
						     .number = -1,
						     .sp = live->stop.regs[ARCH_SP],
						     .pc = live->stop.regs[ARCH_PC]};
	return 0;
}

/* By turns, because between a look and the next it may block or go on. */
static int look_running(struct stack_live *live)
{
	int error = -EAGAIN;

	for (int i = 0; error == -EAGAIN && i < ROUNDS; i++) {
		error = copy_running(live, STOPPED_FIRST);
		if (error == -EAGAIN)
			error = look_blocked(live);
	}
	return error;
}

bool stack_live_look_deeper(struct stack_live *live)
{
	uint64_t want = live->read_up_to > live->from ? live->read_up_to - live->from : 0;
	char *copy;

	if (!live->was_stopped || live->stop.room >= STOPPED_MAX || want <= live->length)
		return false;
	want += STOPPED_MORE;
	copy = realloc(live->copy, STOPPED_MAX);
	if (!copy)
		return false;
	live->copy = copy;
	live->has_read_beyond = live->has_read_data_beyond = false;
	live->read_up_to = 0;
	return !copy_running(live, want < STOPPED_MAX ? want : STOPPED_MAX);
}

static const char *explain(int error, bool may_stop)
{
	switch (error) {
	case -EAGAIN:
		return may_stop ? "the thread runs and blocks by turns, too fast to be looked at"
				: "the thread is running: its stack cannot be read without "
				  "stopping it";
	case -EPERM:
	case -EACCES:
		return "not permitted to look into this process (run as root, or as its user "
		       "where kernel.yama.ptrace_scope allows it)";
	case -ENOENT:
	case -ESRCH:
		return "the thread is gone";
	case -ETIMEDOUT:
		return "the thread came to no stop in half a second: it has no processor, or the "
		       "kernel keeps it";
	case -ENOEXEC:
		return "the thread runs as 32-bit code: its registers are not understood";
	default:
		return "the thread's state could not be read";
	}
}

/* Most of the room was for stacks that are deeper. */
static void shrink_copy(struct stack_live *live)
{
	char *smaller = realloc(live->copy, live->length);

	if (smaller)
		live->copy = smaller;
}

int stack_live_look(const struct stack_subject *subject, struct stack_live **result,
		    const char **reason)
{
	struct stack_live *live = calloc(1, sizeof(*live));
	int error = -ENOMEM;

	if (live && (live->copy = malloc(COPY_MAX))) {
		live->proc = subject->proc;
		live->pid = subject->pid;
		live->tid = subject->tid;
		error = look_blocked(live);
		if (error == -EAGAIN && subject->may_stop)
			error = look_running(live);
	}
	if (!error && !live->length)
		error = -EACCES;
	if (!error) {
		shrink_copy(live);
		*result = live;
		return 0;
	}
	*reason = explain(error, subject->may_stop);
	stack_live_free(live);
	return error;
}

void stack_live_free(struct stack_live *live)
{
	if (live)
		free(live->copy);
	free(live);
}

static bool read_copy(const struct stack_live *live, uint64_t address, void *data, size_t size)
{
	uint64_t from = live->from;

	if (address < from || address - from > live->length ||
	    size > live->length - (address - from))
		return false;
	memcpy(data, live->copy + (address - from), size);
	return true;
}

static bool read_process(const struct stack_live *live, uint64_t address, void *data, size_t size)
{
	return proc_read_memory(live->proc, live->tid, address, data, size) == (ssize_t)size;
}

static bool read_stack(void *context, uint64_t address, void *data, size_t size)
{
	struct stack_live *live = context;

	if (read_copy(live, address, data, size))
		return true;
	live->has_read_beyond = true;
	if (address + size > live->read_up_to)
		live->read_up_to = address + size;
	return read_process(live, address, data, size);
}

static bool read_data(void *context, uint64_t address, void *data, size_t size)
{
	struct stack_live *live = context;

	if (read_copy(live, address, data, size))
		return true;
	live->has_read_data_beyond = true;
	return read_process(live, address, data, size);
}

void stack_live_start(struct stack_live *live, struct unwind_start *start)
{
	*start = (struct unwind_start){.read = read_stack, .read_data = read_data, .context = live};
	if (live->was_stopped) {
		memcpy(start->regs, live->stop.regs, sizeof(start->regs));
		start->known = ARCH_ALL_REGS;
		return;
	}
	start->regs[ARCH_SP] = live->moment.syscall.sp;
	start->regs[ARCH_PC] = live->moment.syscall.pc;
	start->known = UINT64_C(1) << ARCH_SP | UINT64_C(1) << ARCH_PC;
	if (live->moment.syscall.number < 0)
		return;
	for (int i = 0; i < 6; i++) {
		start->regs[arch_syscall_registers[i]] = live->moment.syscall.args[i];
		start->known |= UINT64_C(1) << arch_syscall_registers[i];
	}
}

static bool has_not_run(const struct stack_live *live)
{
	struct moment now;

	return !live->was_stopped && !take_moment(live, &now) &&
	       is_same_moment(&live->moment, &now);
}

bool stack_live_has_stayed(const struct stack_live *live)
{
	return !live->has_read_beyond || has_not_run(live);
}

bool stack_live_has_kept_data(const struct stack_live *live)
{
	return !live->has_read_data_beyond || has_not_run(live);
}

void stack_live_moment(const struct stack_live *live, struct stack_live_moment *moment)
{
	*moment = (struct stack_live_moment){
		.syscall = live->moment.syscall,
		.stood_ns = live->stood_ns,
		.has_asked_again = live->has_asked_again,
		.ended = live->was_stopped && live->stop.has_ended ? live->stop.interrupted : -1};
}
