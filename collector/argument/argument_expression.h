/*
 * The machine for DWARF expressions (DWARF 5, sections 2.5 and 2.6, and GNU's forerunners of it).
 *
 * libdw decodes, this evaluates. It knows nothing of frames, types or text: what an operation
 * needs from outside it asks through `struct expression_env`, so that tests run it on operations
 * made by hand. Debug information is untrusted: the stack, the pieces and the number of steps are
 * bounded, and a broken expression is an error, never a wrong value.
 */
#ifndef LOCKJAM_ARGUMENT_EXPRESSION_H
#define LOCKJAM_ARGUMENT_EXPRESSION_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/argument/argument_number.h"

#define EXPRESSION_STACK 64
#define EXPRESSION_PIECES 16

enum place_kind {
	PLACE_NONE,     /* optimized out */
	PLACE_MEMORY,   /* at address value.bits */
	PLACE_REGISTER, /* in DWARF register number value.bits */
	PLACE_VALUE,    /* it is value itself */
	PLACE_BYTES,    /* it is these bytes, which belong to the debug information */
	PLACE_POINTER,  /* a pointer to an object that exists no more as a whole */
};

/* Where an object, or a piece of it, is. */
struct expression_place {
	enum place_kind kind;
	struct number value;
	const unsigned char *bytes;
	uint64_t length;    /* of bytes */
	const Dwarf_Op *op; /* PLACE_POINTER: the operation that names the object */
	uint64_t size;      /* bytes that this piece covers; 0: the whole object */
};

struct expression_result {
	struct expression_place places[EXPRESSION_PIECES];
	unsigned count; /* >= 1 on success */
	uint64_t fault; /* the address, when the error is -EFAULT */
};

/*
 * What operations ask for; `context` is handed through. Each returns 0 with its output set, or
 * -ENODATA (nobody can know: the value counts as optimized out), -ENXIO (only we do not have it),
 * -EFAULT (read_memory only).
 */
struct expression_env {
	void *context;
	int (*read_register)(void *context, uint64_t number, uint64_t *value);
	int (*read_memory)(void *context, uint64_t address, void *data, size_t size);
	int (*frame_base)(void *context, uint64_t *value);
	int (*frame_cfa)(void *context, uint64_t *value);
	/* DW_OP_addr's operand as an address of the process. */
	int (*relocate)(void *context, uint64_t address, uint64_t *value);
	/* DW_OP_addrx and DW_OP_constx, relocated if it is an address. */
	int (*indexed)(void *context, const Dwarf_Op *op, uint64_t *value);
	/* DW_OP_entry_value and DW_OP_GNU_parameter_ref. */
	int (*entry_value)(void *context, const Dwarf_Op *op, struct number *value);
	/* The base type that a typed operation names (kind and size). */
	int (*base_type)(void *context, const Dwarf_Op *op, struct number *type);
	/* The bytes of DW_OP_implicit_value and DW_OP_const_type. */
	int (*block)(void *context, const Dwarf_Op *op, const unsigned char **bytes,
		     uint64_t *length);
};

/*
 * Evaluates to a location. `*steps` is what may still be executed, counted down: one budget may
 * span several expressions. No operations at all: PLACE_NONE. 0, or an error of
 * the env (-EFAULT: see result->fault), -EINVAL (broken), -ENOTSUP (an operation that is not
 * known), -ELOOP (too long).
 */
int expression_locate(const struct expression_env *env, const Dwarf_Op *ops, size_t count,
		      unsigned *steps, struct expression_result *result);

/* Evaluates to the value on top of the stack (frame bases, values of call sites). */
int expression_compute(const struct expression_env *env, const Dwarf_Op *ops, size_t count,
		       unsigned *steps, struct number *value);

#endif
