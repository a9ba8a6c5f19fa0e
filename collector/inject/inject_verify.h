/*
 * Whether a process records now: asked of the process itself.
 */
#ifndef LOCKJAM_INJECT_VERIFY_H
#define LOCKJAM_INJECT_VERIFY_H

#include "collector/inject/inject_target.h"

/* NULL, or what is wrong, a static text. *locks: those that it held before. */
const char *inject_verify(struct inject_target *t, uint32_t *locks);

#endif
