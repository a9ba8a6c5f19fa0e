/*
 * The state of one expression that is being evaluated. Shared by argument_expression.c and
 * argument_operation.c only.
 */
#ifndef LOCKJAM_ARGUMENT_MACHINE_H
#define LOCKJAM_ARGUMENT_MACHINE_H

#include "collector/argument/argument_expression.h"

enum {
	NOT_MINE = 1 /* an operation of another family */
};

struct machine {
	const struct expression_env *env;
	struct expression_result *result;
	struct number stack[EXPRESSION_STACK];
	unsigned depth;
	struct expression_place pending; /* a location that awaits the end, or its DW_OP_piece */
	bool has_pending;
};

/* 0, or -EINVAL: the stack is full, or empty. */
int machine_push(struct machine *m, struct number value);
int machine_pop(struct machine *m, struct number *value);

/* Executes an operation that computes. 0, NOT_MINE, or an error of expression_locate(). */
int operation_compute(struct machine *m, const Dwarf_Op *op);

#endif
