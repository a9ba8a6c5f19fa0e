/*
 * One physical frame as DWARF expressions see it, and what arguments are fetched through it. Shared
 * by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_VIEW_H
#define LOCKJAM_ARGUMENT_VIEW_H

#include "collector/argument/argument.h"
#include "collector/argument/argument_expression.h"

#define ARGUMENT_DEPTH 12     /* of entry values through callers, and of nested expressions */
#define ARGUMENT_STEPS 20000  /* operations for all arguments of a frame */
#define ARGUMENT_VALUE_MAX 16 /* bytes of the largest scalar */
#define ARGUMENT_DIES 20000   /* DIEs looked at in search of one call site */

struct argument_view {
	const struct argument_source *source;
	const struct argument_frame *frame;
	Dwfl_Module *module;
	uint64_t shift;       /* address in the process minus address in `module` */
	uint64_t bias;        /* address in the process minus address in DWARF */
	Dwarf_Addr lookup;    /* DWARF address of the instruction that the frame is at */
	Dwarf_Die function;   /* DW_TAG_subprogram with code */
	Dwarf_Attribute attr; /* whose expression is evaluated; libdw needs it for operands */
	unsigned depth;
	unsigned *steps;
	/* DW_OP_entry_value and DW_OP_GNU_parameter_ref of `attr`, whose answer comes from other
	 * frames: 0, -ENODATA or -ENXIO. */
	int (*entry_value)(struct argument_view *v, const Dwarf_Op *op, struct number *value);
};

/* How a fetch ended. */
enum fetch {
	FETCH_OK,
	FETCH_OPTIMIZED_OUT,
	FETCH_UNAVAILABLE, /* it is in a register whose value we do not have */
	FETCH_FAULT,       /* memory is not readable at value.fault */
	FETCH_SYNTHETIC,   /* a pointer to something that has no address any more */
};

struct argument_value {
	unsigned char bytes[ARGUMENT_VALUE_MAX]; /* little endian */
	unsigned size;
	uint64_t fault;
};

/* `function` NULL: it is looked up at the frame's pc. Without entry values: entry_value is the
 * caller's to set. 0 or -ENODATA. */
int argument_view_init(struct argument_view *v, const struct argument_source *source,
		       const struct argument_frame *frame, Dwarf_Die *function, unsigned *steps);
/* Of another frame of the same stack. */
int argument_view_beside(struct argument_view *v, const struct argument_view *from,
			 const struct argument_frame *frame);

/* The env through which expressions of *v are evaluated; valid as long as v. */
struct expression_env argument_env(struct argument_view *v);

/* Decodes the expression of `attr` that holds at v->lookup, and sets v->attr. 0 or -ENODATA. */
int argument_decode(struct argument_view *v, Dwarf_Attribute *attr, Dwarf_Op **ops, size_t *count);

/* The value of the parameter `die`, `size` bytes of it. */
enum fetch argument_fetch(struct argument_view *v, Dwarf_Die *die, unsigned size,
			  struct argument_value *value);

#endif
