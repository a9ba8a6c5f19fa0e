/*
 * See argument_expression.h. One loop over the operations; families of operations have a function
 * each, which answers NOT_MINE so that the next may be asked.
 */
#include "collector/argument_expression.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

enum { NOT_MINE = 1 };

struct machine {
	const struct expression_env *env;
	struct expression_result *result;
	struct expression_value stack[EXPRESSION_STACK];
	unsigned depth;
	struct expression_place pending; /* a location that awaits the end, or its DW_OP_piece */
	bool has_pending;
};

static struct expression_value generic(uint64_t bits)
{
	return (struct expression_value){ bits, KIND_GENERIC, 8 };
}

struct expression_value expression_load(struct expression_value type, uint64_t bytes)
{
	unsigned shift = type.size >= 8 ? 0 : 64 - 8 * type.size;

	type.bits = bytes << shift;
	if (type.kind == KIND_SIGNED)
		type.bits = (uint64_t)((int64_t)type.bits >> shift);
	else
		type.bits >>= shift;
	return type;
}

static int push(struct machine *m, struct expression_value value)
{
	if (m->depth == EXPRESSION_STACK)
		return -EINVAL;
	m->stack[m->depth++] = value;
	return 0;
}

static int pop(struct machine *m, struct expression_value *value)
{
	if (m->depth == 0)
		return -EINVAL;
	*value = m->stack[--m->depth];
	return 0;
}

/* --- numbers ----------------------------------------------------------------------------------- */

static double to_double(struct expression_value v)
{
	double d;
	float f;
	uint32_t low = (uint32_t)v.bits;

	if (v.kind != KIND_FLOAT)
		return v.kind == KIND_UNSIGNED ? (double)v.bits : (double)(int64_t)v.bits;
	memcpy(&d, &v.bits, sizeof(d));
	memcpy(&f, &low, sizeof(f));
	return v.size == 4 ? (double)f : d;
}

static struct expression_value from_double(struct expression_value type, double d)
{
	float f = (float)d;
	uint32_t low;

	memcpy(&low, &f, sizeof(low));
	if (type.size == 4)
		type.bits = low;
	else
		memcpy(&type.bits, &d, sizeof(d));
	return type;
}

/* Out of range is undefined in C: such a value is said to be 0, as any would be as good. */
static uint64_t to_integer(struct expression_value v)
{
	double d = to_double(v);

	if (v.kind != KIND_FLOAT)
		return v.bits;
	if (d > -9.2e18 && d < 9.2e18)
		return (uint64_t)(int64_t)d;
	return d >= 9.2e18 && d < 1.8e19 ? (uint64_t)d : 0;
}

static struct expression_value convert(struct expression_value v, struct expression_value type)
{
	if (type.kind == KIND_FLOAT)
		return from_double(type, to_double(v));
	return expression_load(type, to_integer(v));
}

static bool is_true(struct expression_value v)
{
	return v.kind == KIND_FLOAT ? to_double(v) != 0 : v.bits != 0;
}

/* Generic values compare and divide as signed ones; so the standard, and so compilers expect. */
static int compare(struct expression_value a, struct expression_value b)
{
	if (a.kind == KIND_FLOAT)
		return (to_double(a) > to_double(b)) - (to_double(a) < to_double(b));
	if (a.kind == KIND_UNSIGNED)
		return (a.bits > b.bits) - (a.bits < b.bits);
	return ((int64_t)a.bits > (int64_t)b.bits) - ((int64_t)a.bits < (int64_t)b.bits);
}

static int divide(struct expression_value a, uint64_t b, uint64_t *bits)
{
	if (b == 0)
		return -EINVAL;
	if (a.kind == KIND_UNSIGNED)
		*bits = a.bits / b;
	else if (b == UINT64_MAX) /* INT64_MIN / -1 would trap */
		*bits = -a.bits;
	else
		*bits = (uint64_t)((int64_t)a.bits / (int64_t)b);
	return 0;
}

/* Generic values are unsigned here, unlike in divide(). */
static int modulo(struct expression_value a, uint64_t b, uint64_t *bits)
{
	if (b == 0)
		return -EINVAL;
	if (a.kind != KIND_SIGNED)
		*bits = a.bits % b;
	else
		*bits = b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a.bits % (int64_t)b);
	return 0;
}

static uint64_t shift_right(struct expression_value a, uint64_t by, bool is_arithmetic)
{
	if (!is_arithmetic) {
		struct expression_value raw = { 0, KIND_UNSIGNED, a.size };

		return by > 63 ? 0 : expression_load(raw, a.bits).bits >> by;
	}
	if (a.kind == KIND_UNSIGNED)
		a.bits = expression_load((struct expression_value){ 0, KIND_SIGNED, a.size },
					 a.bits)
				 .bits;
	return (uint64_t)((int64_t)a.bits >> (by > 63 ? 63 : by));
}

static int binary_float(unsigned atom, double a, double b, double *out)
{
	switch (atom) {
	case DW_OP_plus:
		*out = a + b;
		return 0;
	case DW_OP_minus:
		*out = a - b;
		return 0;
	case DW_OP_mul:
		*out = a * b;
		return 0;
	case DW_OP_div:
		*out = a / b;
		return 0;
	default:
		return -EINVAL;
	}
}

static int binary_integer(unsigned atom, struct expression_value a, uint64_t b, uint64_t *out)
{
	switch (atom) {
	case DW_OP_and:
		*out = a.bits & b;
		return 0;
	case DW_OP_or:
		*out = a.bits | b;
		return 0;
	case DW_OP_xor:
		*out = a.bits ^ b;
		return 0;
	case DW_OP_plus:
		*out = a.bits + b;
		return 0;
	case DW_OP_minus:
		*out = a.bits - b;
		return 0;
	case DW_OP_mul:
		*out = a.bits * b;
		return 0;
	case DW_OP_shl:
		*out = b > 63 ? 0 : a.bits << b;
		return 0;
	case DW_OP_shr:
	case DW_OP_shra:
		*out = shift_right(a, b, atom == DW_OP_shra);
		return 0;
	case DW_OP_div:
		return divide(a, b, out);
	case DW_OP_mod:
		return modulo(a, b, out);
	default:
		return NOT_MINE;
	}
}

static int do_relation(struct machine *m, unsigned atom, struct expression_value a,
		       struct expression_value b)
{
	int order = compare(a, b);

	switch (atom) {
	case DW_OP_eq:
		return push(m, generic(order == 0));
	case DW_OP_ne:
		return push(m, generic(order != 0));
	case DW_OP_lt:
		return push(m, generic(order < 0));
	case DW_OP_le:
		return push(m, generic(order <= 0));
	case DW_OP_gt:
		return push(m, generic(order > 0));
	default:
		return push(m, generic(order >= 0));
	}
}

static bool is_relation(unsigned atom)
{
	return atom == DW_OP_eq || atom == DW_OP_ne || atom == DW_OP_lt || atom == DW_OP_le ||
	       atom == DW_OP_gt || atom == DW_OP_ge;
}

static bool is_shift(unsigned atom)
{
	return atom == DW_OP_shl || atom == DW_OP_shr || atom == DW_OP_shra;
}

static bool is_binary(unsigned atom)
{
	switch (atom) {
	case DW_OP_and:
	case DW_OP_or:
	case DW_OP_xor:
	case DW_OP_plus:
	case DW_OP_minus:
	case DW_OP_mul:
	case DW_OP_div:
	case DW_OP_mod:
		return true;
	default:
		return is_shift(atom) || is_relation(atom);
	}
}

static int do_binary(struct machine *m, const Dwarf_Op *op)
{
	struct expression_value a, b, out;
	int error;

	if (!is_binary(op->atom))
		return NOT_MINE;
	if (pop(m, &b) || pop(m, &a))
		return -EINVAL;
	if (!is_shift(op->atom) && (a.kind != b.kind || a.size != b.size))
		return -EINVAL;
	if (is_relation(op->atom))
		return do_relation(m, op->atom, a, b);
	out = a;
	if (a.kind == KIND_FLOAT) {
		double d = 0;

		error = binary_float(op->atom, to_double(a), to_double(b), &d);
		out = from_double(a, d);
	} else {
		error = binary_integer(op->atom, a, b.bits, &out.bits);
		out = expression_load(out, out.bits);
	}
	return error ? error : push(m, out);
}

static int do_unary(struct machine *m, const Dwarf_Op *op)
{
	struct expression_value v;

	if (op->atom != DW_OP_abs && op->atom != DW_OP_neg && op->atom != DW_OP_not &&
	    op->atom != DW_OP_plus_uconst)
		return NOT_MINE;
	if (pop(m, &v))
		return -EINVAL;
	if (op->atom == DW_OP_plus_uconst)
		return push(m, expression_load(v, v.bits + op->number));
	if (op->atom == DW_OP_not)
		return push(m, expression_load(v, ~v.bits));
	if (op->atom == DW_OP_abs && compare(v, convert(generic(0), v)) >= 0)
		return push(m, v);
	return push(m, v.kind == KIND_FLOAT ? from_double(v, -to_double(v))
					    : expression_load(v, -v.bits));
}

/* --- the stack --------------------------------------------------------------------------------- */

static int pick(struct machine *m, uint64_t index)
{
	return index < m->depth ? push(m, m->stack[m->depth - 1 - index]) : -EINVAL;
}

static int rotate(struct machine *m)
{
	struct expression_value *top, first;

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
	struct expression_value a, b;

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

/* --- constants, registers, memory -------------------------------------------------------------- */

static int do_literal(struct machine *m, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
		return push(m, generic(op->atom - DW_OP_lit0));
	switch (op->atom) {
	case DW_OP_const1u:
	case DW_OP_const2u:
	case DW_OP_const4u:
	case DW_OP_const8u:
	case DW_OP_constu:
	case DW_OP_const8s:
	case DW_OP_consts:
		return push(m, generic(op->number));
	case DW_OP_const1s:
		return push(m, generic((uint64_t)(int8_t)op->number));
	case DW_OP_const2s:
		return push(m, generic((uint64_t)(int16_t)op->number));
	case DW_OP_const4s:
		return push(m, generic((uint64_t)(int32_t)op->number));
	default:
		return NOT_MINE;
	}
}

/* Pushes what a callback gave, plus an offset. */
static int push_answer(struct machine *m, int error, uint64_t value, uint64_t offset)
{
	return error ? error : push(m, generic(value + offset));
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

static int load(struct machine *m, struct expression_value type, uint64_t size)
{
	struct expression_value address;
	uint64_t bytes = 0;
	int error;

	if (pop(m, &address) || size == 0 || size > sizeof(bytes))
		return -EINVAL;
	error = m->env->read_memory(m->env->context, address.bits, &bytes, size);
	if (error == -EFAULT)
		m->result->fault = address.bits;
	return error ? error : push(m, expression_load(type, bytes));
}

static int do_load(struct machine *m, const Dwarf_Op *op)
{
	struct expression_value type = generic(0);
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

/* --- typed operations -------------------------------------------------------------------------- */

static int do_const_type(struct machine *m, const Dwarf_Op *op, struct expression_value type)
{
	const unsigned char *bytes;
	uint64_t length, raw = 0;
	int error = m->env->block(m->env->context, op, &bytes, &length);

	if (error)
		return error;
	if (length != type.size)
		return -EINVAL;
	memcpy(&raw, bytes, length);
	return push(m, expression_load(type, raw));
}

static int do_regval_type(struct machine *m, const Dwarf_Op *op, struct expression_value type)
{
	uint64_t value;
	int error = m->env->read_register(m->env->context, op->number, &value);

	return error ? error : push(m, expression_load(type, value));
}

static int do_convert(struct machine *m, bool is_reinterpret, struct expression_value type)
{
	struct expression_value v;

	if (pop(m, &v))
		return -EINVAL;
	if (!is_reinterpret)
		return push(m, convert(v, type));
	return v.size == type.size ? push(m, expression_load(type, v.bits)) : -EINVAL;
}

static int do_typed(struct machine *m, const Dwarf_Op *op)
{
	struct expression_value type = generic(0);
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
	struct expression_value value;
	int error;

	if (op->atom != DW_OP_entry_value && op->atom != DW_OP_GNU_entry_value &&
	    op->atom != DW_OP_GNU_parameter_ref)
		return NOT_MINE;
	error = m->env->entry_value(m->env->context, op, &value);
	return error ? error : push(m, value);
}

/* --- locations --------------------------------------------------------------------------------- */

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
	struct expression_place place = { .kind = PLACE_NONE };

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
	struct expression_place place = { .kind = PLACE_BYTES };
	int error = m->env->block(m->env->context, op, &place.bytes, &place.length);

	return error ? error : set_pending(m, place);
}

static int do_location(struct machine *m, const Dwarf_Op *op)
{
	struct expression_place place = { .kind = PLACE_REGISTER };

	if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
		place.value = generic(op->atom - DW_OP_reg0);
		return set_pending(m, place);
	}
	switch (op->atom) {
	case DW_OP_regx:
		place.value = generic(op->number);
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

/* --- control ----------------------------------------------------------------------------------- */

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
	struct expression_value v;

	if (ops[here].atom == DW_OP_skip)
		return branch_target(ops, count, here, at);
	if (ops[here].atom != DW_OP_bra)
		return NOT_MINE;
	if (pop(m, &v))
		return -EINVAL;
	return is_true(v) ? branch_target(ops, count, here, at) : 0;
}

static int execute(struct machine *m, const Dwarf_Op *op)
{
	static int (*const families[])(struct machine *, const Dwarf_Op *) = {
		do_address, do_location, do_literal, do_binary, do_unary,
		do_stack,   do_load,	 do_typed,   do_entry,
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
	struct machine m = { .env = env, .result = result };
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
		       unsigned *steps, struct expression_value *value)
{
	struct expression_result result;
	const struct expression_place *place = &result.places[0];
	int error = expression_locate(env, ops, count, steps, &result);

	if (error)
		return error;
	if (result.count != 1 || place->size)
		return -EINVAL;
	if (place->kind == PLACE_REGISTER) {
		*value = generic(0);
		return env->read_register(env->context, place->value.bits, &value->bits);
	}
	if (place->kind != PLACE_VALUE && place->kind != PLACE_MEMORY)
		return place->kind == PLACE_NONE ? -ENODATA : -ENOTSUP;
	*value = place->value;
	return 0;
}
