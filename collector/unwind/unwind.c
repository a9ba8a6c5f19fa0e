#include "config.h"

#include "collector/unwind/unwind_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- what libdwfl asks for -------------------------------------------------------------------- */

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
	(void)dwfl;
	if (*thread)
		return 0;
	*thread = arg;
	return 1;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
	(void)dwfl, (void)tid;
	*thread = arg;
	return true;
}

bool unwind_read_module(struct unwinder *u, uint64_t address, void *data, size_t size)
{
	struct module *module = modules_find(u->modules, address);
	struct image *image = module ? modules_image(u->modules, module) : NULL;

	return image && image_read(image, address - module->bias, data, size);
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *arg)
{
	struct unwinder *u = arg;
	uint64_t word;

	(void)dwfl;
	if (!u->start->read(u->start->context, address, &word, sizeof(word)) &&
	    !unwind_read_module(u, address, &word, sizeof(word))) {
		u->failed_read = address;
		u->has_failed_read = true;
		return false;
	}
	*result = word;
	return true;
}

/* The pc that finds the frame's rules: in a first frame libdwfl takes it as it is. */
static uint64_t lookup_pc(const struct unwind_start *start)
{
	return start->regs[ARCH_PC] - (start->is_return_address ? 1 : 0);
}

static bool set_initial_registers(Dwfl_Thread *thread, void *arg)
{
	struct unwinder *u = arg;
	const struct unwind_start *start = u->start;

	for (int i = 0; i < ARCH_REGS; i++) {
		Dwarf_Word value = i == ARCH_PC ? lookup_pc(start) : start->regs[i];

		if ((i == ARCH_PC && !ARCH_PC_IS_REGISTER) || !(start->known & UNWIND_BIT(i)))
			continue;
		if (!dwfl_thread_state_registers(thread, i, 1, &value))
			return false;
	}
	if (!ARCH_PC_IS_REGISTER)
		dwfl_thread_state_register_pc(thread, lookup_pc(start));
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_initial_registers,
};

/* --- one frame -------------------------------------------------------------------------------- */

Dwarf_Frame *unwind_rules(const struct unwinder *u, uint64_t pc, uint64_t *start, bool *is_signal)
{
	Dwfl_Module *module = dwfl_addrmodule(u->dwfl, pc);
	Dwarf_Addr bias, row_start, row_end;
	Dwarf_CFI *cfi = module ? dwfl_module_eh_cfi(module, &bias) : NULL;
	Dwarf_Frame *rules;

	if (!cfi || dwarf_cfi_addrframe(cfi, pc - bias, &rules))
		return NULL;
	if (dwarf_frame_info(rules, &row_start, &row_end, is_signal) < 0)
		*is_signal = false;
	*start = row_start + bias;
	return rules;
}

static bool is_signal_frame(const struct unwinder *u, uint64_t pc)
{
	bool is_signal = false;
	uint64_t start;
	Dwarf_Frame *rules = unwind_rules(u, pc, &start, &is_signal);

	free(rules);
	return rules && is_signal;
}

static struct unwind_frame *add_frame(struct unwinder *u)
{
	struct unwind_frames *f = u->frames;

	if (f->count == f->room) {
		uint32_t room = f->room ? f->room * 2 : 32;
		struct unwind_frame *grown = reallocarray(f->items, room, sizeof(*grown));
		if (!grown) {
			u->is_out_of_memory = true;
			return NULL;
		}
		f->items = grown;
		f->room = room;
	}
	struct unwind_frame *frame = &f->items[f->count++];

	memset(frame, 0, sizeof(*frame));
	return frame;
}

/*
 * Why the frame that was added last cannot have called the one before it; NULL if it can. A caller
 * stands further out on the stack; where a leaf keeps nothing there, at the same place. Only
 * signals change stacks.
 */
static const char *why_impossible(const struct unwind_frames *f)
{
	const struct unwind_frame *outer, *inner;

	if (f->count < 2)
		return NULL;
	outer = &f->items[f->count - 1];
	inner = &f->items[f->count - 2];
	uint64_t out = outer->regs[ARCH_SP], in = inner->regs[ARCH_SP];

	if (!(outer->known & inner->known & UNWIND_BIT(ARCH_SP)))
		return NULL;
	if (outer->pc == inner->pc && out == in)
		return "the next frame is the same one again (corrupt stack?)";
	if (!inner->is_signal && (out < in || (out == in && !inner->is_exact)))
		return "the next frame lies inside this one (corrupt stack?)";
	return NULL;
}

/*
 * What the inner frame's rules do not mention, it did not touch. libdwfl 0.188 forgets that for
 * %rbx: its list of the registers that calls keep has %rax there.
 */
static void keep_registers(const struct unwinder *u, const struct unwind_frame *inner,
			   struct unwind_frame *frame)
{
	uint64_t missing = ARCH_KEPT_BY_CALLS & inner->known & ~frame->known, start;
	bool is_signal;
	Dwarf_Frame *rules =
		missing ? unwind_rules(u, inner->pc - (inner->is_exact ? 0 : 1), &start, &is_signal)
			: NULL;

	for (unsigned i = 0; rules && i < ARCH_REGS; i++) {
		Dwarf_Op memory[3], *operations;
		size_t count;

		if (!(missing & UNWIND_BIT(i)) ||
		    dwarf_frame_register(rules, (int)i, memory, &operations, &count) || count)
			continue;
		frame->regs[i] = inner->regs[i];
		frame->known |= UNWIND_BIT(i);
	}
	free(rules);
}

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct unwinder *u = arg;
	struct unwind_frames *f = u->frames;
	bool is_activation;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(state, &pc, &is_activation))
		return DWARF_CB_ABORT;
	if (f->count >= u->max) {
		f->stopped = "there are more frames than the limit";
		return DWARF_CB_ABORT;
	}
	bool is_first = f->count == u->base;
	struct unwind_frame *frame = add_frame(u);

	if (!frame)
		return DWARF_CB_ABORT;
	for (unsigned i = 0; i < ARCH_REGS; i++) {
		Dwarf_Word value;
		if (dwfl_frame_reg(state, i, &value) == 0) {
			frame->regs[i] = value;
			frame->known |= UNWIND_BIT(i);
		}
	}
	if (!is_first)
		keep_registers(u, frame - 1, frame);
	frame->pc = is_first ? u->start->regs[ARCH_PC] : pc;
	frame->is_exact = is_first ? !u->start->is_return_address : is_activation;
	frame->is_signal = is_activation && is_signal_frame(u, pc);
	f->stopped = why_impossible(f);
	if (f->stopped) {
		f->count--;
		return DWARF_CB_ABORT;
	}
	if (is_first || is_activation || !unwind_is_bare_sigreturn(u, pc))
		return DWARF_CB_OK;
	frame->is_exact = frame->is_signal = u->is_sigreturn = true;
	return DWARF_CB_ABORT;
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool report_module(struct unwinder *u, struct module *m)
{
	struct image *image = modules_image(u->modules, m);
	uint64_t start = m->start, end = m->end;
	void **userdata;

	if (image && image->elf && m->has_bias) {
		start = m->bias + image->low;
		end = m->bias + image->high;
	}
	Dwfl_Module *reported = dwfl_report_module(u->dwfl, m->path, start, end);

	if (!reported)
		return false;
	dwfl_module_info(reported, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = image;
	return true;
}

struct unwinder *unwinder_new(struct modules *modules)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->modules = modules;
	u->dwfl = dwfl_begin(images_callbacks(modules->images));
	if (!u->dwfl) {
		free(u);
		return NULL;
	}
	dwfl_report_begin(u->dwfl);
	for (uint32_t i = 0; i < modules->count; i++)
		report_module(u, &modules->items[i]);
	dwfl_report_end(u->dwfl, NULL, NULL);
	u->is_attached = dwfl_attach_state(u->dwfl, NULL, 1, &thread_callbacks, u);
	return u;
}

void unwinder_free(struct unwinder *u)
{
	if (!u)
		return;
	dwfl_end(u->dwfl);
	free(u);
}

/* The rules say that nobody called the last frame. libdwfl also ends so when it cannot tell. */
static bool is_outermost(struct unwinder *u)
{
	const struct unwind_frame *last = &u->frames->items[u->frames->count - 1];
	Dwarf_Op memory[3], *operations;
	size_t count;
	bool is_signal, is_undefined = false;
	uint64_t start;
	Dwarf_Frame *rules =
		unwind_rules(u, last->pc - (last->is_exact ? 0 : 1), &start, &is_signal);
	int column = rules ? dwarf_frame_info(rules, NULL, NULL, NULL) : -1;

	if (column >= 0 && !dwarf_frame_register(rules, column, memory, &operations, &count))
		is_undefined = count == 0 && operations == memory;
	free(rules);
	return is_undefined;
}

static void explain(struct unwinder *u)
{
	struct unwind_frames *f = u->frames;
	const struct unwind_frame *last = f->count ? &f->items[f->count - 1] : NULL;
	struct module *module = last ? modules_find(u->modules, last->pc) : NULL;
	struct image *image = module ? modules_image(u->modules, module) : NULL;
	bool is_signal;
	uint64_t start;

	if (f->stopped)
		return;
	f->stopped_at = last ? last->pc : 0;
	if (!last) {
		f->stopped = "no frame could be read";
		return;
	}
	if (!module) {
		f->stopped = "no file is known for this address";
		return;
	}
	if (!image || !image->elf) {
		f->stopped = image ? image->problem : "memory is out";
		return;
	}
	Dwarf_Frame *rules =
		unwind_rules(u, last->pc - (last->is_exact ? 0 : 1), &start, &is_signal);

	free(rules);
	if (!rules)
		f->stopped = "the file has no unwind information for this address";
	else if (u->has_failed_read) {
		f->stopped = "the stack is not readable beyond this address";
		f->stopped_at = u->failed_read;
	} else
		f->stopped = "a register that the next frame needs is not known";
}

/* From a start outwards, up to the end or a signal frame without rules. */
static int unwind_part(struct unwinder *u, const struct unwind_start *start)
{
	u->start = start;
	u->base = u->frames->count;
	u->is_sigreturn = false;
	return dwfl_getthread_frames(u->dwfl, 1, on_frame, u);
}

static int unwind_once(struct unwinder *u, const struct unwind_start *start)
{
	struct unwind_start part = *start;

	u->frames->count = 0;
	u->frames->stopped = NULL;
	u->frames->stopped_at = 0;
	u->has_failed_read = u->is_out_of_memory = false;
	int result = unwind_part(u, start);

	/* Each part has a frame at least, and `max` bounds them. */
	while (result && u->frames->count && unwind_take_interrupted(u, &part)) {
		uint32_t before = u->frames->count;

		result = unwind_part(u, &part);
		if (u->frames->count == before)
			break;
	}
	u->start = start;
	return result;
}

int unwind(struct unwinder *u, const struct unwind_start *start, uint32_t max,
	   struct unwind_frames *frames)
{
	struct unwind_start again = *start;

	memset(frames, 0, sizeof(*frames));
	u->frames = frames;
	u->max = max;
	int result = u->is_attached ? unwind_once(u, start) : -1;

	if (!frames->stopped && frames->count && !u->is_out_of_memory && !is_outermost(u)) {
		result = -1;
		if (unwind_recover_frame_pointer(u, &again)) {
			unwind_once(u, &again);
			result = frames->count && is_outermost(u) ? 0 : -1;
		}
	}
	if (u->is_out_of_memory) {
		unwind_frames_done(frames);
		return -ENOMEM;
	}
	if (result)
		explain(u);
	/* Without libdwfl, or without any rule, the first frame is still known. */
	if (!frames->count && max && add_frame(u)) {
		frames->items[0].pc = start->regs[ARCH_PC];
		frames->items[0].is_exact = !start->is_return_address;
		memcpy(frames->items[0].regs, start->regs, sizeof(start->regs));
		frames->items[0].known = start->known;
	}
	return frames->count ? 0 : -ENOMEM;
}

void unwind_frames_done(struct unwind_frames *frames)
{
	free(frames->items);
	memset(frames, 0, sizeof(*frames));
}
