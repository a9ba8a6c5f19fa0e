/*
 * What unwind.c shares with unwind_prologue.c.
 */
#ifndef LOCKJAM_UNWIND_PRIVATE_H
#define LOCKJAM_UNWIND_PRIVATE_H

#include "collector/unwind/unwind.h"

#define UNWIND_BIT(n) (UINT64_C(1) << (n))

struct unwinder {
	Dwfl *dwfl;
	bool is_attached;
	struct modules *modules;

	/* Of the unwinding that goes on. */
	const struct unwind_start *start;
	struct unwind_frames *frames;
	uint32_t max;
	uint32_t base;        /* frames that stood there before the last (re)start */
	bool is_sigreturn;    /* the last frame is a signal's, but has no rules that say so */
	uint64_t failed_read; /* the last address that could not be read */
	bool has_failed_read, is_out_of_memory;
};

/* Constants that unwind rules refer to, and code: they stand in the files. */
bool unwind_read_module(struct unwinder *u, uint64_t address, void *data, size_t size);

/* The rules of the frame at pc, to be freed; they hold from *start on. NULL without any. */
Dwarf_Frame *unwind_rules(const struct unwinder *u, uint64_t pc, uint64_t *start, bool *is_signal);

/* --- unwind_prologue.c ----------------------------------------------------------------------- */

/* Adds the frame pointer to what is known at the start, when the last frame needs it and it can be
 * had. False if not. */
bool unwind_recover_frame_pointer(struct unwinder *u, struct unwind_start *start);

/* --- unwind_signal.c ------------------------------------------------------------------------- */

/* A frame returns to a call of sigreturn that has no rules which say so: those of what stands
 * before it belong to some other function. */
bool unwind_is_bare_sigreturn(struct unwinder *u, uint64_t pc);
/* After such a frame: start becomes what the signal interrupted. False if that is not known. */
bool unwind_take_interrupted(const struct unwinder *u, struct unwind_start *start);

#endif
