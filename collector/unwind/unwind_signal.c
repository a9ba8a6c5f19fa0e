/*
 * Signal frames without unwind information: handlers that return by the restorer of musl, or of a
 * program's own.
 */
#include "config.h"

#include "collector/unwind/unwind_private.h"

bool unwind_is_bare_sigreturn(struct unwinder *u, uint64_t pc)
{
	uint8_t code[ARCH_SIGRETURN_MAX];

	return (unwind_read_module(u, pc, code, sizeof(code)) ||
		u->start->read(u->start->context, pc, code, sizeof(code))) &&
	       arch_is_sigreturn(code, sizeof(code));
}

bool unwind_take_interrupted(const struct unwinder *u, struct unwind_start *start)
{
	const struct unwind_frame *last = &u->frames->items[u->frames->count - 1];
	uint64_t saved[ARCH_SAVED_WORDS];

	if (!u->is_sigreturn || u->frames->count >= u->max ||
	    !(last->known & UNWIND_BIT(ARCH_SP)) ||
	    !start->read(start->context, arch_saved_address(last->regs[ARCH_SP]), saved,
			 sizeof(saved)))
		return false;
	arch_saved_registers(saved, start->regs);
	start->known = ARCH_ALL_REGS;
	start->is_return_address = false;
	return true;
}
