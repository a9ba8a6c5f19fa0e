/*
 * Thunks: one exported function per line of unsafe.def, in front of libc's function of that name,
 * whatever its signature. Outside handlers a thunk is a load, a branch and a jump. In a handler it
 * keeps the registers and asks thunk_enter() first.
 *
 * The thunks are assembly (thunk-*.S), generated from the same list as enum thunk_id. Their real
 * functions are found at the first call, by lookup.c: nothing needs to be ready for that, so a
 * call before our constructor (the loader's own malloc) or in a handler works like any other.
 */
#ifndef LOCKJAM_THUNK_H
#define LOCKJAM_THUNK_H

#include <stdint.h>

enum thunk_id {
#define UNSAFE(name, way, why) THUNK_##name,
#include "preload/unsafe.list"
#include "preload/spare.def"
#undef UNSAFE
	THUNK_COUNT
};

#define THUNK_SPARE THUNK_lockjam_spare_00 /* the first one without a function of its own */
#define THUNK_SPARES (THUNK_COUNT - THUNK_SPARE)

/* How a thunk goes on; see unsafe.def. */
enum thunk_way {
	THUNK_CALL,
	THUNK_ALLOC,
	THUNK_LOCK,
	THUNK_JUMP,
	THUNK_ACT
};

struct thunk_info {
	const char *name;
	enum thunk_way way;
	uint32_t why; /* bits of enum seg_why */
};

extern const struct thunk_info thunk_info[THUNK_COUNT] __attribute__((visibility("hidden")));

/*
 * Called by the assembly, with `regs` in DWARF order as the caller will see them after the call
 * (argument registers hold the arguments). Returns the function to go on with. Keeps errno.
 */
void *thunk_enter(uint32_t id, const uint64_t *regs) __attribute__((visibility("hidden")));

/* Called by the assembly when a function of way ALLOC or LOCK has returned. Keeps errno. */
void thunk_leave(void) __attribute__((visibility("hidden")));

/* Leads a thunk elsewhere, also one whose function is known. For the constructor. */
void thunk_lead(enum thunk_id id, void *function);

/*
 * A thunk in front of `function`, which is called `name` (it stays the caller's); NULL when there is none
 * left. While the process has one thread.
 */
void *thunk_spare(const char *name, void *function);

/* The lowest and highest address that belongs to the allocator's own code, with some slack. */
void thunk_allocator_range(uint64_t *low, uint64_t *high);

#endif
