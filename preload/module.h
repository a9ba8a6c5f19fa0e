/* The modules of the process, beside shim.h's module_note() and module_function_start(). */
#ifndef LOCKJAM_MODULE_H
#define LOCKJAM_MODULE_H

#include <stdbool.h>

#include "preload/segment.h"

/*
 * Notes all modules that are loaded. Takes the loader's lock: for the constructor only. In a
 * bracket.
 */
void module_init(void);

/* Copies an ancestor's modules into a child's new segment. Async-signal-safe. */
void module_inherit(struct seg_header *fresh, struct seg_header *parent);

/* Where the module that contains pc is mapped; false if that is not known. Async-signal-safe. */
bool module_bounds(uint64_t pc, uint64_t *start, uint64_t *end);

#endif
