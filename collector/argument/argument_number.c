/*
 * See argument_number.h. Arithmetic of DWARF expressions (section 2.5.1.4); nothing here traps,
 * whatever the operands are.
 */
#include "collector/argument/argument_number.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

struct number number_generic(uint64_t bits)
{
	return (struct number){bits, KIND_GENERIC, 8};
}

struct number number_load(struct number type, uint64_t bytes)
{
	unsigned shift = type.size >= 8 ? 0 : 64 - 8 * type.size;

	type.bits = bytes << shift;
	if (type.kind == KIND_SIGNED)
		type.bits = (uint64_t)((int64_t)type.bits >> shift);
	else
		type.bits >>= shift;
	return type;
}

static double to_double(struct number v)
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

static struct number from_double(struct number type, double d)
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
static uint64_t to_integer(struct number v)
{
	double d = to_double(v);

	if (v.kind != KIND_FLOAT)
		return v.bits;
	if (d > -9.2e18 && d < 9.2e18)
		return (uint64_t)(int64_t)d;
	return d >= 9.2e18 && d < 1.8e19 ? (uint64_t)d : 0;
}

struct number number_convert(struct number v, struct number type)
{
	if (type.kind == KIND_FLOAT)
		return from_double(type, to_double(v));
	return number_load(type, to_integer(v));
}

bool number_is_true(struct number v)
{
	return v.kind == KIND_FLOAT ? to_double(v) != 0 : v.bits != 0;
}

/* Generic values compare and divide as signed ones; so the standard, and so compilers expect. */
static int compare(struct number a, struct number b)
{
	if (a.kind == KIND_FLOAT)
		return (to_double(a) > to_double(b)) - (to_double(a) < to_double(b));
	if (a.kind == KIND_UNSIGNED)
		return (a.bits > b.bits) - (a.bits < b.bits);
	return ((int64_t)a.bits > (int64_t)b.bits) - ((int64_t)a.bits < (int64_t)b.bits);
}

static int divide(struct number a, uint64_t b, uint64_t *bits)
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
static int modulo(struct number a, uint64_t b, uint64_t *bits)
{
	if (b == 0)
		return -EINVAL;
	if (a.kind != KIND_SIGNED)
		*bits = a.bits % b;
	else
		*bits = b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a.bits % (int64_t)b);
	return 0;
}

static uint64_t shift_right(struct number a, uint64_t by, bool is_arithmetic)
{
	if (!is_arithmetic) {
		struct number raw = {0, KIND_UNSIGNED, a.size};

		return by > 63 ? 0 : number_load(raw, a.bits).bits >> by;
	}
	if (a.kind == KIND_UNSIGNED)
		a.bits = number_load((struct number){0, KIND_SIGNED, a.size}, a.bits).bits;
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

static int binary_integer(unsigned atom, struct number a, uint64_t b, uint64_t *out)
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
		return NUMBER_NO_OPERATION;
	}
}

static uint64_t relate(unsigned atom, struct number a, struct number b)
{
	int order = compare(a, b);

	switch (atom) {
	case DW_OP_eq:
		return order == 0;
	case DW_OP_ne:
		return order != 0;
	case DW_OP_lt:
		return order < 0;
	case DW_OP_le:
		return order <= 0;
	case DW_OP_gt:
		return order > 0;
	default:
		return order >= 0;
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

int number_binary(unsigned atom, struct number a, struct number b, struct number *out)
{
	struct number result = a;
	double d = 0;
	int error;

	if (!is_binary(atom))
		return NUMBER_NO_OPERATION;
	if (!is_shift(atom) && (a.kind != b.kind || a.size != b.size))
		return -EINVAL;
	if (is_relation(atom)) {
		*out = number_generic(relate(atom, a, b));
		return 0;
	}
	if (a.kind == KIND_FLOAT) {
		error = binary_float(atom, to_double(a), to_double(b), &d);
		result = from_double(a, d);
	} else {
		error = binary_integer(atom, a, b.bits, &result.bits);
		result = number_load(result, result.bits);
	}
	if (!error)
		*out = result;
	return error;
}

int number_unary(unsigned atom, struct number v, struct number *out)
{
	switch (atom) {
	case DW_OP_not:
		if (v.kind == KIND_FLOAT)
			return -EINVAL;
		*out = number_load(v, ~v.bits);
		return 0;
	case DW_OP_abs:
		if (compare(v, number_convert(number_generic(0), v)) >= 0) {
			*out = v;
			return 0;
		}
		break;
	case DW_OP_neg:
		break;
	default:
		return NUMBER_NO_OPERATION;
	}
	*out = v.kind == KIND_FLOAT ? from_double(v, -to_double(v)) : number_load(v, -v.bits);
	return 0;
}
