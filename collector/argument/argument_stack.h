/*
 * Arguments of the frames of an unwound stack: argument.h, fed by unwind.h, module.h and symbol.h.
 */
#ifndef LOCKJAM_ARGUMENT_STACK_H
#define LOCKJAM_ARGUMENT_STACK_H

#include "collector/unwind/module.h"
#include "collector/symbol/symbol.h"
#include "collector/unwind/unwind.h"

struct argument_stack {
	struct model *m;  /* owns the texts; its handlers got what the kernel passes */
	uint32_t process; /* in the model, MODEL_NONE unknown */
	const struct modules *modules;
	const struct unwind_start *start; /* its memory */
	const struct unwind_frames *frames;
	bool is_partial; /* only a part of the memory was kept */
};

/*
 * "a=1, b=2" of function `part` of the symbol at frames->items[frame], owned by the model; NULL
 * when there is no debug information for it.
 */
const char *argument_stack_text(const struct argument_stack *s, uint32_t frame,
				const struct symbol *symbol, uint32_t part);

/*
 * Adds the frames of functions whose last call became a jump, where debug information leaves no
 * doubt that the program went that way (gdb shows them, too). `frames` are those of s.
 */
void argument_stack_add_jumped(const struct argument_stack *s, struct unwind_frames *frames);

#endif
