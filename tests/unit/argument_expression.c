/* The machine for DWARF expressions, on operations made by hand. */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "collector/argument/argument_expression.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STEPS 1000

/* A frame: register n holds 1000 + n but for 9; memory from 0x100 to 0x110 holds 1, 2, 3, ... */
static int read_register(void *context, uint64_t number, uint64_t *value)
{
	(void)context;
	if (number == 9)
		return -ENXIO;
	*value = 1000 + number;
	return 0;
}

static int read_memory(void *context, uint64_t address, void *data, size_t size)
{
	(void)context;
	if (address < 0x100 || address + size > 0x110)
		return -EFAULT;
	for (size_t i = 0; i < size; i++)
		((unsigned char *)data)[i] = (unsigned char)(address - 0x100 + i + 1);
	return 0;
}

static int frame_base(void *context, uint64_t *value)
{
	(void)context;
	*value = 5000;
	return 0;
}

static int frame_cfa(void *context, uint64_t *value)
{
	(void)context;
	*value = 7000;
	return 0;
}

static int relocate(void *context, uint64_t address, uint64_t *value)
{
	(void)context;
	*value = address + 0x10000;
	return 0;
}

static int indexed(void *context, const Dwarf_Op *op, uint64_t *value)
{
	(void)context;
	*value = op->number * 2;
	return 0;
}

static int entry_value(void *context, const Dwarf_Op *op, struct number *value)
{
	(void)context, (void)op;
	*value = number_generic(77);
	return 0;
}

/* The type's DIE is its size, negative for signed, above 100 for floats. */
static int base_type(void *context, const Dwarf_Op *op, struct number *type)
{
	int64_t die = (int64_t)(op->atom == DW_OP_regval_type || op->atom == DW_OP_deref_type
					? op->number2
					: op->number);

	(void)context;
	type->kind = die > 100 ? KIND_FLOAT : die < 0 ? KIND_SIGNED : KIND_UNSIGNED;
	type->size = (unsigned)(die > 100 ? die - 100 : die < 0 ? -die : die);
	return 0;
}

static int block(void *context, const Dwarf_Op *op, const unsigned char **bytes, uint64_t *length)
{
	static const unsigned char data[] = {0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0};

	(void)context;
	*bytes = data;
	*length = op->atom == DW_OP_implicit_value ? op->number : 4;
	return 0;
}

static const struct expression_env env = {
	.read_register = read_register,
	.read_memory = read_memory,
	.frame_base = frame_base,
	.frame_cfa = frame_cfa,
	.relocate = relocate,
	.indexed = indexed,
	.entry_value = entry_value,
	.base_type = base_type,
	.block = block,
};

static int compute(const Dwarf_Op *ops, size_t count, uint64_t *bits)
{
	unsigned steps = STEPS;
	struct number value = {0};
	int error = expression_compute(&env, ops, count, &steps, &value);

	*bits = value.bits;
	return error;
}

static int locate(const Dwarf_Op *ops, size_t count, struct expression_result *result)
{
	unsigned steps = STEPS;

	return expression_locate(&env, ops, count, &steps, result);
}

/* One operation on two constants. */
static void check_binary(unsigned atom, uint64_t a, uint64_t b, uint64_t expected)
{
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_constu, .number = a},
		{.atom = DW_OP_constu, .number = b},
		{.atom = (uint8_t)atom},
	};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL(bits, expected);
}

static void arithmetic(void)
{
	check_binary(DW_OP_plus, 2, 3, 5);
	check_binary(DW_OP_plus, UINT64_MAX, 1, 0);
	check_binary(DW_OP_minus, 2, 3, UINT64_MAX);
	check_binary(DW_OP_mul, 1ull << 63, 2, 0);
	check_binary(DW_OP_and, 6, 3, 2);
	check_binary(DW_OP_or, 6, 3, 7);
	check_binary(DW_OP_xor, 6, 3, 5);
	check_binary(DW_OP_shl, 1, 63, 1ull << 63);
	check_binary(DW_OP_shl, 1, 64, 0);
	check_binary(DW_OP_shr, UINT64_MAX, 60, 15);
	check_binary(DW_OP_shr, UINT64_MAX, 1000, 0);
	check_binary(DW_OP_shra, 1ull << 63, 1000, UINT64_MAX);
	check_binary(DW_OP_shra, 8, 2, 2);
}

static void generic_values_divide_as_signed_but_leave_unsigned_rests(void)
{
	check_binary(DW_OP_div, (uint64_t)-6, 2, (uint64_t)-3);
	check_binary(DW_OP_mod, (uint64_t)-6, 4, 2);
	check_binary(DW_OP_div, 1ull << 63, UINT64_MAX, 1ull << 63);
	check_binary(DW_OP_lt, (uint64_t)-1, 0, 1);
	check_binary(DW_OP_le, 1, 1, 1);
	check_binary(DW_OP_gt, (uint64_t)-1, 0, 0);
	check_binary(DW_OP_ge, 1, 2, 0);
	check_binary(DW_OP_eq, 1, 1, 1);
	check_binary(DW_OP_ne, 1, 1, 0);
}

static void division_by_zero_is_an_error(void)
{
	static const uint8_t atoms[] = {DW_OP_div, DW_OP_mod};

	for (size_t i = 0; i < COUNT(atoms); i++) {
		const Dwarf_Op ops[] = {
			{.atom = DW_OP_lit1}, {.atom = DW_OP_lit0}, {.atom = atoms[i]}};
		uint64_t bits;

		CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), -EINVAL);
	}
}

static void unary_operations(void)
{
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_const1s, .number = 0xfb}, /* -5 */
		{.atom = DW_OP_abs},
		{.atom = DW_OP_neg},
		{.atom = DW_OP_not},
		{.atom = DW_OP_plus_uconst, .number = 10},
	};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL(bits, 14);
}

static void stack_operations(void)
{
	/* 1 2 3 -rot-> 3 1 2 -swap-> 3 2 1 -over-> 3 2 1 2 -pick 3-> 3 2 1 2 3 -drop-> ... */
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_lit1},
		{.atom = DW_OP_lit2},
		{.atom = DW_OP_lit3},
		{.atom = DW_OP_rot},
		{.atom = DW_OP_swap},
		{.atom = DW_OP_over},
		{.atom = DW_OP_pick, .number = 3},
		{.atom = DW_OP_drop},
		{.atom = DW_OP_shl},   /* 1 << 2 */
		{.atom = DW_OP_minus}, /* 2 - 4 */
		{.atom = DW_OP_plus},  /* 3 - 2 */
	};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL(bits, 1);
}

static void what_the_stack_does_not_have_is_an_error(void)
{
	static const Dwarf_Op broken[] = {
		{.atom = DW_OP_plus},        {.atom = DW_OP_dup},
		{.atom = DW_OP_over},        {.atom = DW_OP_swap},
		{.atom = DW_OP_rot},         {.atom = DW_OP_drop},
		{.atom = DW_OP_neg},         {.atom = DW_OP_deref},
		{.atom = DW_OP_stack_value}, {.atom = DW_OP_plus_uconst},
		{.atom = DW_OP_bra},         {.atom = DW_OP_pick, .number = 9},
		{.atom = DW_OP_convert},
	};

	for (size_t i = 0; i < COUNT(broken); i++) {
		uint64_t bits;

		CU_ASSERT_EQUAL(compute(&broken[i], 1, &bits), -EINVAL);
	}
}

static void frames_and_addresses(void)
{
	static const struct {
		Dwarf_Op op;
		uint64_t expected;
	} cases[] = {
		{{.atom = DW_OP_breg7, .number = (uint64_t)-8}, 999},
		{{.atom = DW_OP_bregx, .number = 40, .number2 = 1}, 1041},
		{{.atom = DW_OP_fbreg, .number = (uint64_t)-24}, 4976},
		{{.atom = DW_OP_call_frame_cfa}, 7000},
		{{.atom = DW_OP_addr, .number = 5}, 0x10005},
		{{.atom = DW_OP_addrx, .number = 5}, 10},
		{{.atom = DW_OP_entry_value}, 77},
		{{.atom = DW_OP_const4s, .number = 0xffffffff}, UINT64_MAX},
		{{.atom = DW_OP_const2u, .number = 0xffff}, 0xffff},
		{{.atom = DW_OP_reg5}, 1005},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t bits;

		CU_ASSERT_EQUAL(compute(&cases[i].op, 1, &bits), 0);
		CU_ASSERT_EQUAL(bits, cases[i].expected);
	}
}

static void memory(void)
{
	Dwarf_Op ops[] = {{.atom = DW_OP_const2u, .number = 0x100}, {.atom = DW_OP_deref}};
	struct expression_result result;
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL(bits, 0x0807060504030201);
	ops[1] = (Dwarf_Op){.atom = DW_OP_deref_size, .number = 2};
	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL(bits, 0x0201);
	ops[1].number = 9;
	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), -EINVAL);
	ops[0].number = 0x10c;
	ops[1] = (Dwarf_Op){.atom = DW_OP_deref};
	CU_ASSERT_EQUAL(locate(ops, COUNT(ops), &result), -EFAULT);
	CU_ASSERT_EQUAL(result.fault, 0x10c);
}

static void an_unknown_register_is_told_apart(void)
{
	const Dwarf_Op op = {.atom = DW_OP_breg9};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(&op, 1, &bits), -ENXIO);
}

static void branches(void)
{
	/* Counts down from 3; DW_OP_bra goes back to the operation at offset 1. */
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_lit3, .offset = 0},
		{.atom = DW_OP_lit1, .offset = 1},
		{.atom = DW_OP_minus, .offset = 2},
		{.atom = DW_OP_dup, .offset = 3},
		{.atom = DW_OP_bra, .offset = 4, .number = (uint64_t)-6},
		{.atom = DW_OP_skip, .offset = 7, .number = 1},
		{.atom = DW_OP_drop, .offset = 10},
		{.atom = DW_OP_lit5, .offset = 11},
		{.atom = DW_OP_plus, .offset = 12},
	};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL(bits, 5);
}

static void endless_and_wild_branches_end(void)
{
	Dwarf_Op op = {.atom = DW_OP_skip, .number = (uint64_t)-3};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(&op, 1, &bits), -ELOOP);
	op.number = (uint64_t)-2; /* into the middle of itself */
	CU_ASSERT_EQUAL(compute(&op, 1, &bits), -EINVAL);
}

static void a_stack_that_overflows_is_an_error(void)
{
	Dwarf_Op ops[EXPRESSION_STACK + 1];
	uint64_t bits;

	memset(ops, 0, sizeof(ops));
	for (size_t i = 0; i < COUNT(ops); i++)
		ops[i].atom = DW_OP_lit1;
	CU_ASSERT_EQUAL(compute(ops, EXPRESSION_STACK, &bits), 0);
	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), -EINVAL);
}

static void locations(void)
{
	static const Dwarf_Op value[] = {{.atom = DW_OP_lit7}, {.atom = DW_OP_stack_value}};
	static const Dwarf_Op in_memory = {.atom = DW_OP_fbreg, .number = 8};
	static const Dwarf_Op in_register = {.atom = DW_OP_reg3};
	static const Dwarf_Op implicit = {.atom = DW_OP_implicit_value, .number = 8};
	static const Dwarf_Op pointer = {.atom = DW_OP_implicit_pointer};
	struct expression_result r;

	CU_ASSERT_EQUAL(locate(value, 2, &r), 0);
	CU_ASSERT(r.places[0].kind == PLACE_VALUE && r.places[0].value.bits == 7);
	CU_ASSERT_EQUAL(locate(&in_memory, 1, &r), 0);
	CU_ASSERT(r.places[0].kind == PLACE_MEMORY && r.places[0].value.bits == 5008);
	CU_ASSERT_EQUAL(locate(&in_register, 1, &r), 0);
	CU_ASSERT(r.places[0].kind == PLACE_REGISTER && r.places[0].value.bits == 3);
	CU_ASSERT_EQUAL(locate(&implicit, 1, &r), 0);
	CU_ASSERT(r.places[0].kind == PLACE_BYTES && r.places[0].length == 8);
	CU_ASSERT_EQUAL(locate(&pointer, 1, &r), 0);
	CU_ASSERT(r.places[0].kind == PLACE_POINTER && r.places[0].op == &pointer);
	CU_ASSERT_EQUAL(locate(NULL, 0, &r), 0);
	CU_ASSERT_EQUAL(r.places[0].kind, PLACE_NONE);
}

static void pieces(void)
{
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_reg3},
		{.atom = DW_OP_piece, .number = 4},
		{.atom = DW_OP_piece, .number = 2},
		{.atom = DW_OP_lit9},
		{.atom = DW_OP_stack_value},
		{.atom = DW_OP_bit_piece, .number = 16},
	};
	struct expression_result r;

	CU_ASSERT_EQUAL(locate(ops, COUNT(ops), &r), 0);
	CU_ASSERT_EQUAL(r.count, 3);
	CU_ASSERT(r.places[0].kind == PLACE_REGISTER && r.places[0].size == 4);
	CU_ASSERT(r.places[1].kind == PLACE_NONE && r.places[1].size == 2);
	CU_ASSERT(r.places[2].kind == PLACE_VALUE && r.places[2].size == 2);
	CU_ASSERT_EQUAL(locate(ops, COUNT(ops) - 1, &r), -EINVAL); /* a rest without its piece */
}

static void too_many_pieces_are_an_error(void)
{
	Dwarf_Op ops[EXPRESSION_PIECES + 1];
	struct expression_result r;

	memset(ops, 0, sizeof(ops));
	for (size_t i = 0; i < COUNT(ops); i++)
		ops[i] = (Dwarf_Op){.atom = DW_OP_piece, .number = 1};
	CU_ASSERT_EQUAL(locate(ops, COUNT(ops), &r), -EINVAL);
}

static void nothing_follows_a_whole_location(void)
{
	const Dwarf_Op ops[] = {{.atom = DW_OP_reg3}, {.atom = DW_OP_lit1}};
	struct expression_result r;

	CU_ASSERT_EQUAL(locate(ops, COUNT(ops), &r), -EINVAL);
}

static void typed_operations(void)
{
	/* (int32_t)-2 from the block, as a double, times 1.5 from a register's 1001: -2 * 1001. */
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_const_type, .number = (uint64_t)-4},
		{.atom = DW_OP_convert, .number = 108},
		{.atom = DW_OP_regval_type, .number = 1, .number2 = (uint64_t)-2},
		{.atom = DW_OP_convert, .number = 108},
		{.atom = DW_OP_mul},
		{.atom = DW_OP_convert, .number = 0},
	};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), 0);
	CU_ASSERT_EQUAL((int64_t)bits, -2002);
}

static void types_do_not_mix(void)
{
	const Dwarf_Op ops[] = {
		{.atom = DW_OP_const_type, .number = (uint64_t)-4},
		{.atom = DW_OP_lit1},
		{.atom = DW_OP_plus},
	};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(ops, COUNT(ops), &bits), -EINVAL);
}

static void unknown_operations_are_refused(void)
{
	const Dwarf_Op op = {.atom = DW_OP_form_tls_address};
	uint64_t bits;

	CU_ASSERT_EQUAL(compute(&op, 1, &bits), -ENOTSUP);
}

/* Any operations in any order: an error or a value, in bounded time. */
static void arbitrary_operations_do_no_harm(void)
{
	uint32_t random = 1;

	for (int round = 0; round < 20000; round++) {
		Dwarf_Op ops[12];
		struct expression_result r;

		for (size_t i = 0; i < COUNT(ops); i++) {
			random = random * 1664525 + 1013904223;
			ops[i] = (Dwarf_Op){.atom = (uint8_t)(random >> 24),
					    .number = (random >> 8) % 7 == 0 ? random : random % 9,
					    .number2 = (random >> 4) % 9,
					    .offset = i};
			/* Types of no size do not come from libdw: 1, 2, 4, 8. */
			if (ops[i].atom >= DW_OP_const_type || ops[i].atom >= DW_OP_entry_value)
				ops[i].number = ops[i].number2 = 8;
		}
		int error = locate(ops, COUNT(ops), &r);

		CU_ASSERT_FATAL(error <= 0 && (error || r.count >= 1));
	}
}

static const struct unit_test tests[] = {
	{"arithmetic wraps and shifts end", arithmetic},
	{"generic values are signed where the standard says so",
	 generic_values_divide_as_signed_but_leave_unsigned_rests},
	{"division by zero is an error", division_by_zero_is_an_error},
	{"operations on one value", unary_operations},
	{"operations on the stack", stack_operations},
	{"an empty stack is an error", what_the_stack_does_not_have_is_an_error},
	{"registers, frame base, CFA and addresses", frames_and_addresses},
	{"memory is read in the size asked for, and its faults are told", memory},
	{"a register without a value is told apart", an_unknown_register_is_told_apart},
	{"branches go where they lead", branches},
	{"endless and wild branches end", endless_and_wild_branches_end},
	{"a full stack is an error", a_stack_that_overflows_is_an_error},
	{"every kind of location", locations},
	{"pieces, also empty ones", pieces},
	{"too many pieces are an error", too_many_pieces_are_an_error},
	{"nothing follows a whole location", nothing_follows_a_whole_location},
	{"typed values convert", typed_operations},
	{"values of different types do not mix", types_do_not_mix},
	{"unknown operations are refused", unknown_operations_are_refused},
	{"arbitrary operations do no harm", arbitrary_operations_do_no_harm},
	{NULL, NULL},
};
const struct unit_suite unit_argument_expression = {tests};
