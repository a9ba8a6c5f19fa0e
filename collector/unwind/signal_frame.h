/*
 * Signal frames: which signal's handler was it?
 */
#ifndef LOCKJAM_SIGNAL_FRAME_H
#define LOCKJAM_SIGNAL_FRAME_H

#include "collector/unwind/unwind.h"

/*
 * The signal whose handler a signal frame called, 0 unknown. While a handler runs its own signal is
 * blocked (but with SA_NODEFER), and the mask of before stands in the frame: *blocked, the mask
 * inside (0: not known), becomes that, for the next signal frame outside.
 */
int signal_frame_signo(const struct unwind_start *start, const struct unwind_frame *raw,
		       uint64_t *blocked);

#endif
