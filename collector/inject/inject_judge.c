/* Which stacks a thread may be taken from: see inject_point.h. */
#include "config.h"

#include "collector/inject/inject_arch.h"
#include "collector/inject/inject_point.h"

#define START_FRAMES 2 /* of libc, outside a thread's first function */

/* Frames of libc in a row, from the innermost on. */
struct run {
	bool is_waiting; /* the thread is in a system call */
	uint32_t length;
	bool is_harmless; /* the outermost so far, by which libc was entered */
};

static const char in_libc[] = "is in a function of libc that may hold a lock";

static bool is_harmless(enum inject_harm harm, bool is_waiting)
{
	return harm == INJECT_HARMLESS || (harm == INJECT_WAITING && is_waiting);
}

/*
 * libc's own functions have no names where there is no debug information. They are what the
 * function is through which libc was entered.
 */
static bool judge_libc(const struct inject_target *t, uint64_t pc, struct run *run,
		       const char **reason)
{
	const struct inject_entry *entry = inject_target_entry(t, pc);

	run->length++;
	run->is_harmless = entry && is_harmless(entry->harm, run->is_waiting);
	*reason = in_libc;
	return !entry || run->is_harmless;
}

static bool read_target(const struct inject_target *t, uint64_t address, void *data, size_t size)
{
	return proc_read_memory(t->proc, t->pid, address, data, size) == (ssize_t)size;
}

/*
 * A function that ends by jumping to one of libc's own has no frame. Then the call tells which one
 * it was, directly or by way of the PLT.
 */
static bool calls_harmless(const struct inject_target *t, uint64_t return_address, bool is_waiting)
{
	uint8_t code[INJECT_CALL_SIZE];
	uint64_t target = return_address;
	bool is_slot = false;

	if (!read_target(t, return_address - sizeof(code), code, sizeof(code)) ||
	    !inject_arch_call_target(code, return_address, true, &target, &is_slot))
		return false;
	if (!is_slot && read_target(t, target, code, sizeof(code))) {
		uint64_t stub = target;

		if (!inject_arch_call_target(code, stub, false, &target, &is_slot))
			target = stub, is_slot = false;
	}
	if (is_slot && !read_target(t, target, &target, sizeof(target)))
		return false;
	return is_harmless(inject_target_harm(t, target), is_waiting);
}

static bool judge_frame(const struct inject_target *t, const struct unwind_frame *frame,
			struct run *run, const char **reason)
{
	uint64_t pc = frame->pc - (frame->is_exact ? 0 : 1);
	const struct module *module;

	*reason = "runs a signal handler";
	if (frame->is_signal)
		return false;
	switch (inject_target_kind(t, pc, &module)) {
	case INJECT_MODULE_LIBC:
		return judge_libc(t, pc, run, reason);
	case INJECT_MODULE_LOADER:
		*reason = "is in the loader";
		return false;
	case INJECT_MODULE_ALLOCATOR:
		*reason = "is in the allocator";
		return false;
	case INJECT_MODULE_UNWINDER:
		*reason = "throws an exception";
		return false;
	case INJECT_MODULE_SHIM:
		*reason = "is in the shim";
		return false;
	case INJECT_MODULE_OTHER:
		break;
	}
	*reason = module ? in_libc : "runs code that no file has";
	if (!module)
		return false;
	if (run->length && !run->is_harmless &&
	    (frame->is_exact || !calls_harmless(t, frame->pc, run->is_waiting)))
		return false;
	run->length = 0;
	return true;
}

bool inject_judge(const struct inject_target *t, const struct unwind_frames *frames,
		  bool is_waiting, const char **reason)
{
	struct run run = {.is_waiting = is_waiting};

	*reason = "has a stack that cannot be followed to its end";
	if (frames->stopped || !frames->count)
		return false;
	for (uint32_t i = 0; i < frames->count; i++)
		if (!judge_frame(t, &frames->items[i], &run, reason))
			return false;
	/* What starts a thread is not exported. */
	*reason = in_libc;
	if (run.length && !run.is_harmless &&
	    (run.length == frames->count || run.length > START_FRAMES))
		return false;
	/* Its own functions have no names: which of them allocate is not known, but they do not
	 * wait. */
	*reason = "may be in the program's own allocator";
	return is_waiting || !t->program_allocates;
}
