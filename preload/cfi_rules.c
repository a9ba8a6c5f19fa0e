/* Call frame instructions and expressions: see cfi.h. Numbers from DWARF 5, 7.24 and 7.7.1. */
#include <string.h>

#include "preload/cfi.h"
#include "preload/cfi_reader.h"
#include "preload/sys.h"

#define MAX_INSTRUCTIONS 1000
#define MAX_REMEMBERED 4
#define MAX_VALUES 16

enum {
	CFA_set_loc = 0x01,
	CFA_advance_loc1,
	CFA_advance_loc2,
	CFA_advance_loc4,
	CFA_offset_extended,
	CFA_restore_extended,
	CFA_undefined,
	CFA_same_value,
	CFA_register,
	CFA_remember_state,
	CFA_restore_state,
	CFA_def_cfa,
	CFA_def_cfa_register,
	CFA_def_cfa_offset,
	CFA_def_cfa_expression,
	CFA_expression,
	CFA_offset_extended_sf,
	CFA_def_cfa_sf,
	CFA_def_cfa_offset_sf,
	CFA_val_offset,
	CFA_val_offset_sf,
	CFA_val_expression,
	CFA_AARCH64_negate_ra_state = 0x2d, /* the address is signed: unwind.c strips that */
	CFA_GNU_args_size = 0x2e,
	CFA_advance_loc = 0x40, /* with an operand in the lower six bits, these three */
	CFA_offset = 0x80,
	CFA_restore = 0xc0,
};

struct interpreter {
	const struct cfi_function *function;
	const uint8_t *at, *end;
	uint64_t location, pc;
	struct cfi_rules rules, initial;
	struct cfi_rules remembered[MAX_REMEMBERED];
	struct cfi_rule ignored; /* of registers that nobody asks for */
	int depth;
	bool failed;
};

static struct cfi_rule *rule_of(struct interpreter *in, struct cfi_rules *rules, uint64_t reg)
{
	if (reg == in->function->return_register)
		return &rules->return_address;
	return reg == ARCH_REG_FP ? &rules->frame_pointer : &in->ignored;
}

static uint64_t uleb(struct interpreter *in)
{
	return cfi_read_uleb(&in->at, in->end);
}

static int64_t sleb(struct interpreter *in)
{
	return cfi_read_sleb(&in->at, in->end);
}

static int64_t factored(struct interpreter *in, bool is_signed)
{
	return (is_signed ? sleb(in) : (int64_t)uleb(in)) * in->function->data_align;
}

static void set(struct interpreter *in, uint64_t reg, enum cfi_how how, int64_t offset)
{
	*rule_of(in, &in->rules, reg) = (struct cfi_rule){ .how = how, .offset = offset };
}

static void set_expression(struct interpreter *in, struct cfi_rule *rule, enum cfi_how how)
{
	uint64_t length = uleb(in);

	if (length > (uint64_t)(in->end - in->at)) {
		in->failed = true;
		return;
	}
	*rule = (struct cfi_rule){ .how = how, .expression = in->at, .length = length };
	in->at += length;
}

static void set_cfa(struct interpreter *in, uint64_t reg, int64_t offset)
{
	in->rules.cfa = (struct cfi_rule){ CFI_REGISTER, (uint32_t)reg, offset, NULL, 0 };
}

static void restore(struct interpreter *in, uint64_t reg)
{
	*rule_of(in, &in->rules, reg) = *rule_of(in, &in->initial, reg);
}

static void advance(struct interpreter *in, int bytes)
{
	uint64_t delta = 0;

	if (in->end - in->at < bytes) {
		in->failed = true;
		return;
	}
	memcpy(&delta, in->at, (size_t)bytes);
	in->at += bytes;
	in->location += delta * in->function->code_align;
}

static void remember(struct interpreter *in)
{
	if (in->depth == MAX_REMEMBERED)
		in->failed = true;
	else
		in->remembered[in->depth++] = in->rules;
}

static void recall(struct interpreter *in)
{
	if (in->depth == 0)
		in->failed = true;
	else
		in->rules = in->remembered[--in->depth];
}

/* The instructions that say how a register, or the CFA, is found. */
static void rule_instruction(struct interpreter *in, uint8_t op)
{
	uint64_t reg = 0;

	if (op != CFA_def_cfa_offset && op != CFA_def_cfa_offset_sf && op != CFA_def_cfa_expression)
		reg = uleb(in);
	switch (op) {
	case CFA_offset_extended:
	case CFA_offset_extended_sf:
		set(in, reg, CFI_OFFSET, factored(in, op == CFA_offset_extended_sf));
		break;
	case CFA_restore_extended:
		restore(in, reg);
		break;
	case CFA_undefined:
		set(in, reg, CFI_UNDEFINED, 0);
		break;
	case CFA_same_value:
		set(in, reg, CFI_SAME, 0);
		break;
	case CFA_register:
		uleb(in);
		set(in, reg, CFI_UNDEFINED, 0);
		break;
	case CFA_def_cfa:
		set_cfa(in, reg, (int64_t)uleb(in));
		break;
	case CFA_def_cfa_sf:
		set_cfa(in, reg, factored(in, true));
		break;
	case CFA_def_cfa_register:
		set_cfa(in, reg, in->rules.cfa.offset);
		break;
	case CFA_def_cfa_offset:
		in->rules.cfa.offset = (int64_t)uleb(in);
		break;
	case CFA_def_cfa_offset_sf:
		in->rules.cfa.offset = factored(in, true);
		break;
	case CFA_def_cfa_expression:
		set_expression(in, &in->rules.cfa, CFI_EXPRESSION);
		break;
	case CFA_expression:
		set_expression(in, rule_of(in, &in->rules, reg), CFI_EXPRESSION);
		break;
	case CFA_val_expression:
		set_expression(in, rule_of(in, &in->rules, reg), CFI_VALUE);
		break;
	default: /* val_offset and what is newer than this */
		in->failed = true;
	}
}

static void instruction(struct interpreter *in)
{
	uint8_t op = *in->at++, operand = op & 0x3f;

	switch (op & 0xc0) {
	case CFA_advance_loc:
		in->location += operand * in->function->code_align;
		return;
	case CFA_offset:
		set(in, operand, CFI_OFFSET, factored(in, false));
		return;
	case CFA_restore:
		restore(in, operand);
		return;
	}
	switch (op) {
	case 0:
	case CFA_AARCH64_negate_ra_state:
		break;
	case CFA_set_loc:
		in->failed = !cfi_read_address(&in->at, in->end, in->function->encoding,
					       &in->location);
		break;
	case CFA_advance_loc1:
	case CFA_advance_loc2:
		advance(in, op - CFA_advance_loc1 + 1);
		break;
	case CFA_advance_loc4:
		advance(in, 4);
		break;
	case CFA_remember_state:
		remember(in);
		break;
	case CFA_restore_state:
		recall(in);
		break;
	case CFA_GNU_args_size:
		uleb(in);
		break;
	default:
		rule_instruction(in, op);
	}
}

static bool run(struct interpreter *in, const uint8_t *at, const uint8_t *end)
{
	in->at = at;
	in->end = end;
	for (int n = 0; in->at < in->end && in->location <= in->pc && !in->failed; n++) {
		struct cfi_rules before = in->rules;

		if (n == MAX_INSTRUCTIONS)
			return false;
		instruction(in);
		if (in->location > in->pc)
			in->rules = before;
	}
	return !in->failed;
}

bool cfi_rules_at(const struct cfi_function *function, uint64_t pc, struct cfi_rules *rules)
{
	struct interpreter in = { .function = function, .location = function->start, .pc = pc };

	if (!run(&in, function->initial, function->initial_end))
		return false;
	in.initial = in.rules;
	if (!run(&in, function->program, function->program_end))
		return false;
	*rules = in.rules;
	return true;
}

/* --- expressions ---------------------------------------------------------------------------------- */

enum {
	OP_deref = 0x06,
	OP_const1u = 0x08,
	OP_const1s,
	OP_const2u,
	OP_const2s,
	OP_const4u,
	OP_const4s,
	OP_constu = 0x10,
	OP_consts,
	OP_dup,
	OP_drop,
	OP_and = 0x1a,
	OP_minus = 0x1c,
	OP_plus = 0x22,
	OP_plus_uconst,
	OP_lit0 = 0x30,
	OP_breg0 = 0x70,
	OP_breg31 = 0x8f,
};

struct stack_machine {
	const struct cfi_machine *registers;
	const uint8_t *at, *end;
	uint64_t values[MAX_VALUES];
	int count;
	bool failed;
};

static void push(struct stack_machine *m, uint64_t value)
{
	if (m->count == MAX_VALUES)
		m->failed = true;
	else
		m->values[m->count++] = value;
}

static uint64_t pop(struct stack_machine *m)
{
	if (m->count)
		return m->values[--m->count];
	m->failed = true;
	return 0;
}

static void constant(struct stack_machine *m, uint8_t op)
{
	size_t size = (size_t)1 << (op - OP_const1u) / 2;
	uint64_t value = 0;

	if ((size_t)(m->end - m->at) < size) {
		m->failed = true;
		return;
	}
	memcpy(&value, m->at, size);
	m->at += size;
	if ((op - OP_const1u) % 2 && value >> (size * 8 - 1))
		value |= ~UINT64_C(0) << size * 8;
	push(m, value);
}

static void push_register(struct stack_machine *m, uint32_t reg)
{
	uint64_t offset = (uint64_t)cfi_read_sleb(&m->at, m->end);

	if (reg == ARCH_REG_SP)
		push(m, m->registers->sp + offset);
	else if (reg == ARCH_REG_FP)
		push(m, m->registers->fp + offset);
	else
		m->failed = true;
}

static void arithmetic(struct stack_machine *m, uint8_t op)
{
	uint64_t right = pop(m), left = pop(m);

	if (op == OP_and)
		push(m, left & right);
	else
		push(m, op == OP_plus ? left + right : left - right);
}

static void operation(struct stack_machine *m, uint8_t op)
{
	uint64_t value = 0;

	switch (op) {
	case OP_deref:
		if (!m->registers->read(pop(m), &value))
			m->failed = true;
		push(m, value);
		break;
	case OP_const1u ... OP_const4s:
		constant(m, op);
		break;
	case OP_constu:
		push(m, cfi_read_uleb(&m->at, m->end));
		break;
	case OP_consts:
		push(m, (uint64_t)cfi_read_sleb(&m->at, m->end));
		break;
	case OP_dup:
		value = pop(m);
		push(m, value);
		push(m, value);
		break;
	case OP_drop:
		pop(m);
		break;
	case OP_and:
	case OP_minus:
	case OP_plus:
		arithmetic(m, op);
		break;
	case OP_plus_uconst:
		push(m, pop(m) + cfi_read_uleb(&m->at, m->end));
		break;
	case OP_lit0 ... OP_lit0 + 31:
		push(m, op - OP_lit0);
		break;
	case OP_breg0 ... OP_breg31:
		push_register(m, op - OP_breg0);
		break;
	default:
		m->failed = true;
	}
}

bool cfi_evaluate(const struct cfi_rule *rule, const struct cfi_machine *machine, uint64_t initial,
		  uint64_t *result)
{
	struct stack_machine m = {
		.registers = machine,
		.at = rule->expression,
		.end = rule->expression + rule->length,
	};

	push(&m, initial);
	while (m.at < m.end && !m.failed)
		operation(&m, *m.at++);
	*result = pop(&m);
	return !m.failed;
}
