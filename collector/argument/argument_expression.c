/*
 * See argument_expression.h. One loop over the operations; families of operations have a function
 * each, which answers NOT_MINE so that the next may be asked.
 */
#include "collector/argument/argument_expression.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

enum {
	NOT_MINE = 1
};

struct machine {
	const struct expression_env *env;
	struct expression_result *result;
	struct number stack[EXPRESSION_STACK];
	unsigned depth;
	struct expression_place pending; /* a location that awaits the end, or its DW_OP_piece */
	bool has_pending;
};

static int push(struct machine *m, struct number value)
{
	if (m->depth == EXPRESSION_STACK)
		return -EINVAL;
	m->stack[m->depth++] = value;
	return 0;
}

static int pop(struct machine *m, struct number *value)
{
	if (m->depth == 0)
		return -EINVAL;
	*value = m->stack[--m->depth];
	return 0;
}

/* --- arithmetic --------------------------------------------------------------------------------
 */

static int do_binary(struct machine *m, const Dwarf_Op *op)
{
	const struct number *top = &m->stack[m->depth];
	struct number out, none = number_generic(1);
	int error;

	if (m->depth < 2)
		return number_binary(op->atom, none, none, &out) == NUMBER_NO_OPERATION ? NOT_MINE
											: -EINVAL;
	error = number_binary(op->atom, top[-2], top[-1], &out);
	if (error)
		return error == NUMBER_NO_OPERATION ? NOT_MINE : error;
	m->depth -= 2;
	return push(m, out);
}

static int do_unary(struct machine *m, const Dwarf_Op *op)
{
	bool is_plus = op->atom == DW_OP_plus_uconst;
	struct number v, out;
	int error;

	if (!is_plus && op->atom != DW_OP_abs && op->atom != DW_OP_neg && op->atom != DW_OP_not)
		return NOT_MINE;
	if (pop(m, &v))
		return -EINVAL;
	if (is_plus)
		return push(m, number_load(v, v.bits + op->number));
	error = number_unary(op->atom, v, &out);
	return error ? error : push(m, out);
}

/* --- the stack ---------------------------------------------------------------------------------
 */

static int pick(struct machine *m, uint64_t index)
{
	return index < m->depth ? push(m, m->stack[m->depth - 1 - index]) : -EINVAL;
}

static int rotate(struct machine *m)
{
	struct number *top, first;

	if (m->depth < 3)
		return -EINVAL;
	top = &m->stack[m->depth - 1];
	first = top[0];
	top[0] = top[-1];
	top[-1] = top[-2];
	top[-2] = first;
	return 0;
}

static int do_stack(struct machine *m, const Dwarf_Op *op)
{
	struct number a, b;

	switch (op->atom) {
	case DW_OP_dup:
		return pick(m, 0);
	case DW_OP_over:
		return pick(m, 1);
	case DW_OP_pick:
		return pick(m, op->number);
	case DW_OP_drop:
		return pop(m, &a);
	case DW_OP_rot:
		return rotate(m);
	case DW_OP_swap:
		if (pop(m, &a) || pop(m, &b))
			return -EINVAL;
		push(m, a);
		return push(m, b);
	case DW_OP_nop:
	case DW_OP_GNU_uninit:
		return 0;
	default:
		return NOT_MINE;
	}
}

/* --- constants, registers, memory --------------------------------------------------------------
 */

static int do_literal(struct machine *m, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, number_generic(op->atom - DW_OP_lit0));
	switch (op->atom) {
	case DW_OP_const1u:
	case DW_OP_const2u:
	case DW_OP_const4u:
	case DW_OP_const8u:
	case DW_OP_constu:
	case DW_OP_const8s:
	case DW_OP_consts:
		return push(m, number_generic(op->number));
	case DW_OP_const1s:
		return push(m, number_generic((uint64_t)(int8_t)op->number));
	case DW_OP_const2s:
		return push(m, number_generic((uint64_t)(int16_t)op->number));
	case DW_OP_const4s:
		return push(m, number_generic((uint64_t)(int32_t)op->number));
	default:
		return NOT_MINE;
	}
}

/* Pushes what a callback gave, plus an offset. */
static int push_answer(struct machine *m, int error, uint64_t value, uint64_t offset)
{
	return error ? error : push(m, number_generic(value + offset));
}

static int do_address(struct machine *m, const Dwarf_Op *op)
{
	const struct expression_env *env = m->env;
	uint64_t value = 0;
	int error;

	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		error = env->read_register(env->context, op->atom - DW_OP_breg0, &value);
		return push_answer(m, error, value, op->number);
	}
	switch (op->atom) {
	case DW_OP_bregx:
		error = env->read_register(env->context, op->number, &value);
		return push_answer(m, error, value, op->number2);
	case DW_OP_fbreg:
		error = env->frame_base(env->context, &value);
		return push_answer(m, error, value, op->number);
	case DW_OP_call_frame_cfa:
		error = env->frame_cfa(env->context, &value);
		return push_answer(m, error, value, 0);
	case DW_OP_addr:
		error = env->relocate(env->context, op->number, &value);
		return push_answer(m, error, value, 0);
	case DW_OP_addrx:
	case DW_OP_constx:
	case DW_OP_GNU_addr_index:
	case DW_OP_GNU_const_index:
		error = env->indexed(env->context, op, &value);
		return push_answer(m, error, value, 0);
	default:
		return NOT_MINE;
	}
}

static int load(struct machine *m, struct number type, uint64_t size)
{
	struct number address;
	uint64_t bytes = 0;
	int error;

	if (pop(m, &address) || size == 0 || size > sizeof(bytes))
		return -EINVAL;
	error = m->env->read_memory(m->env->context, address.bits, &bytes, size);
	if (error == -EFAULT)
		m->result->fault = address.bits;
	return error ? error : push(m, number_load(type, bytes));
}

static int do_load(struct machine *m, const Dwarf_Op *op)
{
	struct number type = number_generic(0);
	int error;

	switch (op->atom) {
	case DW_OP_deref:
		return load(m, type, 8);
	case DW_OP_deref_size:
		return load(m, type, op->number);
	case DW_OP_deref_type:
	case DW_OP_GNU_deref_type:
		error = m->env->base_type(m->env->context, op, &type);
		return error ? error : load(m, type, type.size);
	default:
		return NOT_MINE;
	}
}

/* --- typed operations --------------------------------------------------------------------------
 */

static int do_const_type(struct machine *m, const Dwarf_Op *op, struct number type)
{
	const unsigned char *bytes;
	uint64_t length, raw = 0;
	int error = m->env->block(m->env->context, op, &bytes, &length);

	if (error)
		return error;
	if (length != type.size)
		return -EINVAL;
	memcpy(&raw, bytes, length);
	return push(m, number_load(type, raw));
}

static int do_regval_type(struct machine *m, const Dwarf_Op *op, struct number type)
{
	uint64_t value;
	int error = m->env->read_register(m->env->context, op->number, &value);

	return error ? error : push(m, number_load(type, value));
}

static int do_convert(struct machine *m, bool is_reinterpret, struct number type)
{
	struct number v;

	if (pop(m, &v))
		return -EINVAL;
	if (!is_reinterpret)
		return push(m, number_convert(v, type));
	return v.size == type.size ? push(m, number_load(type, v.bits)) : -EINVAL;
}

static int do_typed(struct machine *m, const Dwarf_Op *op)
{
	struct number type = number_generic(0);
	bool is_convert = op->atom == DW_OP_convert || op->atom == DW_OP_GNU_convert;
	bool is_reinterpret = op->atom == DW_OP_reinterpret || op->atom == DW_OP_GNU_reinterpret;
	bool is_regval = op->atom == DW_OP_regval_type || op->atom == DW_OP_GNU_regval_type;
	bool is_generic = (is_convert || is_reinterpret) && op->number == 0;
	int error;

	if (!is_convert && !is_reinterpret && !is_regval && op->atom != DW_OP_const_type &&
	    op->atom != DW_OP_GNU_const_type)
		return NOT_MINE;
	error = is_generic ? 0 : m->env->base_type(m->env->context, op, &type);
	if (error)
		return error;
	if (is_regval)
		return do_regval_type(m, op, type);
	if (is_convert || is_reinterpret)
		return do_convert(m, is_reinterpret, type);
	return do_const_type(m, op, type);
}

static int do_entry(struct machine *m, const Dwarf_Op *op)
{
	struct number value;
	int error;

	if (op->atom != DW_OP_entry_value && op->atom != DW_OP_GNU_entry_value &&
	    op->atom != DW_OP_GNU_parameter_ref)
		return NOT_MINE;
	error = m->env->entry_value(m->env->context, op, &value);
	return error ? error : push(m, value);
}

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
		pop(m, &place.value);
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
		return pop(m, &place.value) ? -EINVAL : set_pending(m, place);
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
	if (pop(m, &v))
		return -EINVAL;
	return number_is_true(v) ? branch_target(ops, count, here, at) : 0;
}

static int execute(struct machine *m, const Dwarf_Op *op)
{
	static int (*const families[])(struct machine *, const Dwarf_Op *) = {
		do_address, do_location, do_literal, do_binary, do_unary,
		do_stack,   do_load,     do_typed,   do_entry,
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int status = families[i](m, op);

		if (status != NOT_MINE)
			return status;
	}
	return -ENOTSUP;
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
