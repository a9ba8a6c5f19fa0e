/*
 * Argument values: DWARF locations evaluated against a frame's registers and the stack, written as
 * gdb writes them ("sig=14, name=0x5581 \"x\", n=<optimized out>").
 */
#ifndef LOCKJAM_ARGUMENT_H
#define LOCKJAM_ARGUMENT_H

#include "collector/arch.h"
#include "collector/model.h"
#include "collector/symbol.h"

struct argument_frame {
	const uint64_t *regs;
	uint64_t known; /* bit n: regs[n] has a value */
	uint64_t cfa;   /* canonical frame address; 0 unknown */
	uint64_t bias;  /* address in the process minus address in the image */
	/* Memory of the process, stack or constants; false when it is not there. */
	bool (*read)(void *context, uint64_t address, void *data, size_t size);
	void *context;
};

/*
 * The arguments of part `part` of what stands at the frame's address; the model's string, "" for a
 * function without any. NULL when DWARF does not know the function.
 */
const char *argument_text(struct model *m, const struct symbol *symbol, uint32_t part,
			  const struct argument_frame *frame);

#endif
