/*
 * See argument_expression.h. One loop over the operations: locations and branches are done here,
 * what computes in argument_operation.c.
 */
#include "collector/argument/argument_expression.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "collector/argument/argument_machine.h"

/* --- locations ---------------------------------------------------------------------------------
 */

static int set_pending(struct machine *m, struct expression_place place)
{
	if (m->has_pending)
		return -EINVAL;
	m->pending = place;
	m->has_pending = true;
	return 0;
}

/* Ends one piece. Without anything before it, the piece is optimized out. */
static int add_piece(struct machine *m, uint64_t size)
{
	struct expression_place place = {.kind = PLACE_NONE};

	if (m->has_pending) {
		place = m->pending;
	} else if (m->depth > 0) {
		machine_pop(m, &place.value);
		place.kind = PLACE_MEMORY;
	}
	if (m->result->count == EXPRESSION_PIECES)
		return -EINVAL;
	place.size = size;
	m->has_pending = false;
	m->depth = 0;
	m->result->places[m->result->count++] = place;
	return 0;
}

static int do_implicit(struct machine *m, const Dwarf_Op *op)
{
	struct expression_place place = {.kind = PLACE_BYTES};
	int error = m->env->block(m->env->context, op, &place.bytes, &place.length);

	return error ? error : set_pending(m, place);
}

static int do_location(struct machine *m, const Dwarf_Op *op)
{
	struct expression_place place = {.kind = PLACE_REGISTER};

	if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
		place.value = number_generic(op->atom - DW_OP_reg0);
		return set_pending(m, place);
	}
	switch (op->atom) {
	case DW_OP_regx:
		place.value = number_generic(op->number);
		return set_pending(m, place);
	case DW_OP_stack_value:
		place.kind = PLACE_VALUE;
		return machine_pop(m, &place.value) ? -EINVAL : set_pending(m, place);
	case DW_OP_implicit_value:
		return do_implicit(m, op);
	case DW_OP_implicit_pointer:
	case DW_OP_GNU_implicit_pointer:
		place.kind = PLACE_POINTER;
		place.op = op;
		return set_pending(m, place);
	case DW_OP_piece:
		return add_piece(m, op->number);
	case DW_OP_bit_piece:
		return op->number % 8 || op->number2 ? -ENOTSUP : add_piece(m, op->number / 8);
	default:
		return NOT_MINE;
	}
}

/* --- control -----------------------------------------------------------------------------------
 */

/* The index of the operation that a branch at ops[at] goes to; `count` is the end. */
static int branch_target(const Dwarf_Op *ops, size_t count, size_t at, size_t *next)
{
	uint64_t target = ops[at].offset + 3 + (uint64_t)(int16_t)ops[at].number;

	for (size_t i = 0; i < count; i++) {
		if (ops[i].offset == target) {
			*next = i;
			return 0;
		}
	}
	/* The end has no operation; behind the last one is all that it can be. */
	*next = count;
	return target > ops[count - 1].offset ? 0 : -EINVAL;
}

static int do_control(struct machine *m, const Dwarf_Op *ops, size_t count, size_t *at)
{
	size_t here = *at - 1;
	struct number v;

	if (ops[here].atom == DW_OP_skip)
		return branch_target(ops, count, here, at);
	if (ops[here].atom != DW_OP_bra)
		return NOT_MINE;
	if (machine_pop(m, &v))
		return -EINVAL;
	return number_is_true(v) ? branch_target(ops, count, here, at) : 0;
}

static int execute(struct machine *m, const Dwarf_Op *op)
{
	int status = do_location(m, op);

	if (status == NOT_MINE)
		status = operation_compute(m, op);
	return status == NOT_MINE ? -ENOTSUP : status;
}

static int run(struct machine *m, const Dwarf_Op *ops, size_t count, unsigned *steps)
{
	size_t at = 0;

	while (at < count) {
		const Dwarf_Op *op = &ops[at++];
		int status;

		if (*steps == 0)
			return -ELOOP;
		--*steps;
		/* A whole location ends the expression, or its piece. */
		if (m->has_pending && op->atom != DW_OP_piece && op->atom != DW_OP_bit_piece &&
		    op->atom != DW_OP_GNU_uninit)
			return -EINVAL;
		status = do_control(m, ops, count, &at);
		if (status == NOT_MINE)
			status = execute(m, op);
		if (status)
			return status;
	}
	return 0;
}

int expression_locate(const struct expression_env *env, const Dwarf_Op *ops, size_t count,
		      unsigned *steps, struct expression_result *result)
{
	struct machine m = {.env = env, .result = result};
	int error;

	memset(result, 0, sizeof(*result));
	error = run(&m, ops, count, steps);
	if (error)
		return error;
	if (result->count == 0)
		return count && m.depth == 0 && !m.has_pending ? -EINVAL : add_piece(&m, 0);
	return m.has_pending || m.depth ? -EINVAL : 0;
}

int expression_compute(const struct expression_env *env, const Dwarf_Op *ops, size_t count,
		       unsigned *steps, struct number *value)
{
	struct expression_result result;
	const struct expression_place *place = &result.places[0];
	int error = expression_locate(env, ops, count, steps, &result);

	if (error)
		return error;
	if (result.count != 1 || place->size)
		return -EINVAL;
	if (place->kind == PLACE_REGISTER) {
		*value = number_generic(0);
		return env->read_register(env->context, place->value.bits, &value->bits);
	}
	if (place->kind != PLACE_VALUE && place->kind != PLACE_MEMORY)
		return place->kind == PLACE_NONE ? -ENODATA : -ENOTSUP;
	*value = place->value;
	return 0;
}
