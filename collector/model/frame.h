/*
 * Whose code a frame is in, by the name of its file.
 */
#ifndef LOCKJAM_FRAME_H
#define LOCKJAM_FRAME_H

#include "collector/model/model.h"

bool frame_is_loader(const struct model_frame *f);

/* libc, the loader, and what libc loads for itself: backtrace() is done by libgcc_s. */
bool frame_is_libc(const struct model_frame *f);

/* The innermost frame of a resolved stack that is none of libc's: where the program stood. NULL:
 * there is none. */
const struct model_frame *frame_site(const struct model *m, uint32_t stack);

#endif
