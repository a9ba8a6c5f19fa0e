/*
 * The emergency arena: a small allocator without locks, for handlers that interrupted the real one.
 * Async-signal-safe; any thread may free what another, or a handler, got.
 */
#ifndef LOCKJAM_ARENA_H
#define LOCKJAM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_BYTES (UINT64_C(8) << 20)
#define ARENA_BLOCK_MAX (UINT64_C(1) << 20) /* with its head; larger requests are refused */

/* Maps the arena; its pages cost memory only once they are used. False if it could not be had. */
bool arena_init(void);

/* `align` is a power of two, 0 for malloc()'s own. NULL: it is full, or the request too large. */
void *arena_get(size_t size, size_t align);
void arena_put(void *block);

/* Whether this block is of the arena: two comparisons. False as long as there is none. */
bool arena_has(const void *block);
size_t arena_size(const void *block); /* usable bytes */

#endif
