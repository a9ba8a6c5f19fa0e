/* A frame pointer that a look without stopping the thread cannot give. */
#include "config.h"

#include "collector/unwind/unwind_private.h"

#include <stdlib.h>

#define PROLOGUE_MAX 64 /* bytes of a function that are read to find its frame pointer */
#define ROWS_MAX 64     /* of unwind rules, that are looked through for its beginning */

/* A return address of a frame stands where the frame pointer says, behind a call. */
static bool is_frame_pointer(struct unwinder *u, uint64_t fp)
{
	uint64_t words[2];
	uint8_t before[8];
	struct module *module;

	if (!u->start->read(u->start->context, fp, words, sizeof(words)))
		return false;
	module = modules_find(u->modules, words[1]);
	return module &&
	       image_is_code(modules_image(u->modules, module), words[1] - module->bias) &&
	       unwind_read_module(u, words[1] - sizeof(before), before, sizeof(before)) &&
	       arch_is_after_call(before, sizeof(before));
}

/*
 * The code from where the function that pc is in sets up its frame pointer: rules change behind
 * that instruction. Its size, 0 if it is not found.
 */
static size_t read_prologue(struct unwinder *u, uint64_t pc, uint8_t *code)
{
	uint64_t start = pc + 1, offset;
	bool is_signal;

	for (int rows = 0; rows < ROWS_MAX; rows++) {
		Dwarf_Frame *rules = unwind_rules(u, start - 1, &start, &is_signal);

		free(rules);
		if (!rules || start < ARCH_FP_SETUP || start > pc)
			return 0;
		size_t size = pc - start + ARCH_FP_SETUP;

		if (size > PROLOGUE_MAX)
			size = PROLOGUE_MAX;
		if (unwind_read_module(u, start - ARCH_FP_SETUP, code, size) &&
		    arch_frame_pointer_offset(code, size, &offset))
			return size;
	}
	return 0;
}

/*
 * Of a thread that is not stopped only sp and pc are known. A function whose frame hangs on the
 * frame pointer stops the unwinding, when none of the functions inside it saved that register.
 * But then its value is fixed by the function's first instructions: so much above the stack
 * pointer. It was the same at the start; unwinding can begin again with it.
 */
bool unwind_recover_frame_pointer(struct unwinder *u, struct unwind_start *start)
{
	const struct unwind_frame *last = &u->frames->items[u->frames->count - 1];
	uint8_t code[PROLOGUE_MAX];
	uint64_t offset;

	if ((last->known & UNWIND_BIT(ARCH_FP)) || (start->known & UNWIND_BIT(ARCH_FP)) ||
	    last->is_exact || !(last->known & UNWIND_BIT(ARCH_SP)))
		return false;
	size_t size = read_prologue(u, last->pc - 1, code);

	if (!size || !arch_frame_pointer_offset(code, size, &offset) ||
	    !is_frame_pointer(u, last->regs[ARCH_SP] + offset))
		return false;
	start->regs[ARCH_FP] = last->regs[ARCH_SP] + offset;
	start->known |= UNWIND_BIT(ARCH_FP);
	return true;
}
