/*
 * The operations of DWARF expressions that compute: families of them have a function each, which
 * answers NOT_MINE so that the next may be asked.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "collector/argument/argument_machine.h"

int machine_push(struct machine *m, struct number value)
{
	if (m->depth == EXPRESSION_STACK)
		return -EINVAL;
	m->stack[m->depth++] = value;
	return 0;
}

int machine_pop(struct machine *m, struct number *value)
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
	return machine_push(m, out);
}

static int do_unary(struct machine *m, const Dwarf_Op *op)
{
	bool is_plus = op->atom == DW_OP_plus_uconst;
	struct number v, out;
	int error;

	if (!is_plus && op->atom != DW_OP_abs && op->atom != DW_OP_neg && op->atom != DW_OP_not)
		return NOT_MINE;
	if (machine_pop(m, &v))
		return -EINVAL;
	if (is_plus)
		return machine_push(m, number_load(v, v.bits + op->number));
	error = number_unary(op->atom, v, &out);
	return error ? error : machine_push(m, out);
}

/* --- the stack ---------------------------------------------------------------------------------
 */

static int pick(struct machine *m, uint64_t index)
{
	return index < m->depth ? machine_push(m, m->stack[m->depth - 1 - index]) : -EINVAL;
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
		return machine_pop(m, &a);
	case DW_OP_rot:
		return rotate(m);
	case DW_OP_swap:
		if (machine_pop(m, &a) || machine_pop(m, &b))
			return -EINVAL;
		machine_push(m, a);
		return machine_push(m, b);
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
		return machine_push(m, number_generic(op->atom - DW_OP_lit0));
	switch (op->atom) {
	case DW_OP_const1u:
	case DW_OP_const2u:
	case DW_OP_const4u:
	case DW_OP_const8u:
	case DW_OP_constu:
	case DW_OP_const8s:
	case DW_OP_consts:
		return machine_push(m, number_generic(op->number));
	case DW_OP_const1s:
		return machine_push(m, number_generic((uint64_t)(int8_t)op->number));
	case DW_OP_const2s:
		return machine_push(m, number_generic((uint64_t)(int16_t)op->number));
	case DW_OP_const4s:
		return machine_push(m, number_generic((uint64_t)(int32_t)op->number));
	default:
		return NOT_MINE;
	}
}

/* Pushes what a callback gave, plus an offset. */
static int push_answer(struct machine *m, int error, uint64_t value, uint64_t offset)
{
	return error ? error : machine_push(m, number_generic(value + offset));
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

	if (machine_pop(m, &address) || size == 0 || size > sizeof(bytes))
		return -EINVAL;
	error = m->env->read_memory(m->env->context, address.bits, &bytes, size);
	if (error == -EFAULT)
		m->result->fault = address.bits;
	return error ? error : machine_push(m, number_load(type, bytes));
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
	return machine_push(m, number_load(type, raw));
}

static int do_regval_type(struct machine *m, const Dwarf_Op *op, struct number type)
{
	uint64_t value;
	int error = m->env->read_register(m->env->context, op->number, &value);

	return error ? error : machine_push(m, number_load(type, value));
}

static int do_convert(struct machine *m, bool is_reinterpret, struct number type)
{
	struct number v;

	if (machine_pop(m, &v))
		return -EINVAL;
	if (!is_reinterpret)
		return machine_push(m, number_convert(v, type));
	return v.size == type.size ? machine_push(m, number_load(type, v.bits)) : -EINVAL;
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
	return error ? error : machine_push(m, value);
}

int operation_compute(struct machine *m, const Dwarf_Op *op)
{
	static int (*const families[])(struct machine *, const Dwarf_Op *) = {
		do_address, do_literal, do_binary, do_unary, do_stack, do_load, do_typed, do_entry,
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int status = families[i](m, op);

		if (status != NOT_MINE)
			return status;
	}
	return NOT_MINE;
}
