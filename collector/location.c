#include "config.h"

#include "collector/location.h"

#include <dwarf.h>

#define DEPTH 16

struct machine {
	const struct location_scope *scope;
	uint64_t stack[DEPTH];
	unsigned depth;
	struct location result; /* what was said last of the whole; NONE: the top is an address */
	bool is_frame_base;     /* no frame base inside a frame base */
};

static bool evaluate(struct machine *vm, const Dwarf_Op *ops, size_t count,
		     Dwarf_Attribute *attribute);

static bool push(struct machine *vm, uint64_t value)
{
	if (vm->depth == DEPTH)
		return false;
	vm->stack[vm->depth++] = value;
	return true;
}

static bool get_register(const struct machine *vm, uint64_t number, uint64_t *value)
{
	if (number >= ARCH_REGS || !(vm->scope->frame->known & (UINT64_C(1) << number)))
		return false;
	*value = vm->scope->frame->regs[number];
	return true;
}

static bool push_register(struct machine *vm, uint64_t number, uint64_t offset)
{
	uint64_t value;

	return get_register(vm, number, &value) && push(vm, value + offset);
}

static bool in_register(struct machine *vm, uint64_t number)
{
	vm->result.kind = LOCATION_VALUE;
	return get_register(vm, number, &vm->result.value);
}

static bool push_frame_base(struct machine *vm, uint64_t offset)
{
	struct machine base = { .scope = vm->scope, .is_frame_base = true };
	Dwarf_Attribute attribute;
	Dwarf_Op *ops;
	size_t count;

	if (vm->is_frame_base || !vm->scope->function ||
	    !dwarf_attr_integrate(vm->scope->function, DW_AT_frame_base, &attribute) ||
	    dwarf_getlocation_addr(&attribute, vm->scope->address, &ops, &count, 1) != 1 ||
	    !evaluate(&base, ops, count, &attribute))
		return false;
	/* A register as frame base means its content. */
	if (base.result.kind == LOCATION_VALUE)
		return push(vm, base.result.value + offset);
	return base.depth && push(vm, base.stack[base.depth - 1] + offset);
}

static bool dereference(struct machine *vm, size_t size)
{
	const struct argument_frame *frame = vm->scope->frame;
	uint64_t value = 0;

	if (!vm->depth || size > sizeof(value) ||
	    !frame->read(frame->context, vm->stack[vm->depth - 1], &value, size))
		return false;
	vm->stack[vm->depth - 1] = value;
	return true;
}

static bool binary(struct machine *vm, unsigned atom)
{
	if (vm->depth < 2)
		return false;
	uint64_t b = vm->stack[--vm->depth], *a = &vm->stack[vm->depth - 1];

	switch (atom) {
	case DW_OP_plus:
		*a += b;
		return true;
	case DW_OP_minus:
		*a -= b;
		return true;
	case DW_OP_and:
		*a &= b;
		return true;
	case DW_OP_or:
		*a |= b;
		return true;
	case DW_OP_xor:
		*a ^= b;
		return true;
	case DW_OP_mul:
		*a *= b;
		return true;
	case DW_OP_shl:
		*a = b < 64 ? *a << b : 0;
		return true;
	case DW_OP_shr:
		*a = b < 64 ? *a >> b : 0;
		return true;
	case DW_OP_shra:
		*a = (uint64_t)((int64_t)*a >> (b < 64 ? b : 63));
		return true;
	default:
		return false;
	}
}

static bool unary(struct machine *vm, unsigned atom)
{
	if (!vm->depth)
		return false;
	uint64_t *top = &vm->stack[vm->depth - 1];

	if (atom == DW_OP_neg)
		*top = -*top;
	else
		*top = ~*top;
	return true;
}

static bool implicit_value(struct machine *vm, const Dwarf_Op *op, Dwarf_Attribute *attribute)
{
	Dwarf_Block block;

	if (dwarf_getlocation_implicit_value(attribute, op, &block))
		return false;
	vm->result = (struct location){ .kind = LOCATION_BYTES,
					.bytes = block.data,
					.length = block.length };
	return true;
}

static bool stack_value(struct machine *vm)
{
	if (!vm->depth)
		return false;
	vm->result.kind = LOCATION_VALUE;
	vm->result.value = vm->stack[vm->depth - 1];
	return true;
}

static bool step(struct machine *vm, const Dwarf_Op *op, Dwarf_Attribute *attribute)
{
	unsigned atom = op->atom;

	if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
		return push(vm, atom - DW_OP_lit0);
	if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31)
		return in_register(vm, atom - DW_OP_reg0);
	if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		return push_register(vm, atom - DW_OP_breg0, op->number);
	switch (atom) {
	case DW_OP_regx:
		return in_register(vm, op->number);
	case DW_OP_bregx:
		return push_register(vm, op->number, op->number2);
	case DW_OP_fbreg:
		return push_frame_base(vm, op->number);
	case DW_OP_call_frame_cfa:
		return vm->scope->frame->cfa && push(vm, vm->scope->frame->cfa);
	case DW_OP_addr:
		return push(vm, op->number + vm->scope->bias);
	case DW_OP_const1u ... DW_OP_consts:
		return push(vm, op->number);
	case DW_OP_plus_uconst:
		return vm->depth && (vm->stack[vm->depth - 1] += op->number, true);
	case DW_OP_dup:
		return vm->depth && push(vm, vm->stack[vm->depth - 1]);
	case DW_OP_deref:
		return dereference(vm, 8);
	case DW_OP_deref_size:
		return dereference(vm, op->number);
	case DW_OP_neg:
	case DW_OP_not:
		return unary(vm, atom);
	case DW_OP_implicit_value:
		return implicit_value(vm, op, attribute);
	case DW_OP_stack_value:
		return stack_value(vm);
	case DW_OP_nop:
		return true;
	default:
		return binary(vm, atom); /* pieces, values at entry and typed ones are not known */
	}
}

static bool evaluate(struct machine *vm, const Dwarf_Op *ops, size_t count,
		     Dwarf_Attribute *attribute)
{
	for (size_t i = 0; i < count; i++) {
		/* Whatever follows a whole value makes it a part of one. */
		if (vm->result.kind != LOCATION_NONE || !step(vm, &ops[i], attribute))
			return false;
	}
	return count > 0;
}

struct location location_find(const struct location_scope *scope, Dwarf_Attribute *attribute)
{
	struct machine vm = { .scope = scope };
	Dwarf_Op *ops;
	size_t count;

	if (dwarf_getlocation_addr(attribute, scope->address, &ops, &count, 1) != 1 ||
	    !evaluate(&vm, ops, count, attribute))
		return (struct location){ .kind = LOCATION_NONE };
	if (vm.result.kind != LOCATION_NONE)
		return vm.result;
	if (!vm.depth)
		return (struct location){ .kind = LOCATION_NONE };
	return (struct location){ .kind = LOCATION_MEMORY, .value = vm.stack[vm.depth - 1] };
}
