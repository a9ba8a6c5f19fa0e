/*
 * Values at the entry of a function: what its caller says it passed (the parameters of its
 * DW_TAG_call_site), evaluated in the caller's frame.
 */
#include "collector/argument/argument_entry.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "collector/argument/argument_site.h"

/* --- parameters --------------------------------------------------------------------------------
 */

/* Which parameter of a call site is meant: what was passed in a register, what that register
 * pointed to, or what became of a parameter of the source. */
struct site_key {
	uint64_t reg;
	bool is_memory;
	const Dwarf_Die *parameter;
};

static bool is_parameter_of(Dwarf_Die *child, const Dwarf_Die *wanted)
{
	Dwarf_Attribute attr;
	Dwarf_Die die;

	return (dwarf_attr(child, DW_AT_call_parameter, &attr) ||
		dwarf_attr(child, DW_AT_abstract_origin, &attr)) &&
	       dwarf_formref_die(&attr, &die) && die.addr == wanted->addr;
}

static bool matches(Dwarf_Die *child, const struct site_key *key)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t count;

	if (dwarf_tag(child) != DW_TAG_call_site_parameter &&
	    dwarf_tag(child) != DW_TAG_GNU_call_site_parameter)
		return false;
	if (key->parameter)
		return is_parameter_of(child, key->parameter);
	if (!dwarf_attr(child, DW_AT_location, &attr) || dwarf_getlocation(&attr, &ops, &count) ||
	    count != 1)
		return false;
	if (ops[0].atom == DW_OP_regx)
		return ops[0].number == key->reg;
	return key->reg < 32 && ops[0].atom == DW_OP_reg0 + key->reg;
}

static bool value_attribute(Dwarf_Die *parameter, bool is_memory, Dwarf_Attribute *attr)
{
	if (is_memory)
		return dwarf_attr(parameter, DW_AT_call_data_value, attr) ||
		       dwarf_attr(parameter, DW_AT_GNU_call_site_data_value, attr);
	return dwarf_attr(parameter, DW_AT_call_value, attr) ||
	       dwarf_attr(parameter, DW_AT_GNU_call_site_value, attr);
}

static int compute_passed(struct argument_view *caller, Dwarf_Attribute *attr, struct number *value)
{
	struct expression_env env = argument_env(caller);
	Dwarf_Op *ops;
	size_t count;
	int error = argument_decode(caller, attr, &ops, &count);

	if (!error)
		error = expression_compute(&env, ops, count, caller->steps, value);
	return error && error != -ENXIO ? -ENODATA : error;
}

static int passed_value(struct argument_view *v, const struct site_key *key, struct number *value)
{
	struct argument_view caller;
	struct argument_frame frame;
	unsigned budget = ARGUMENT_DIES;
	Dwarf_Die site, child;
	Dwarf_Attribute attr;

	if (!key->parameter && !key->is_memory &&
	    v->source->find_passed(v->source->context, v->frame, key->reg, &value->bits)) {
		*value = number_generic(value->bits);
		return 0;
	}
	if (argument_site_find(v, &frame, &caller, &site) || dwarf_child(&site, &child))
		return -ENODATA;
	do {
		if (matches(&child, key) && value_attribute(&child, key->is_memory, &attr))
			return compute_passed(&caller, &attr, value);
	} while (--budget && dwarf_siblingof(&child, &child) == 0);
	return -ENODATA;
}

/* The expression inside DW_OP_entry_value: a register, or what it points to. */
static bool key_of(const Dwarf_Op *ops, size_t count, struct site_key *key)
{
	if (count == 0 || count > 2)
		return false;
	if (count == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
		key->reg = ops[0].atom - DW_OP_reg0;
	else if (count == 1 && (ops[0].atom == DW_OP_regx || ops[0].atom == DW_OP_regval_type ||
				ops[0].atom == DW_OP_GNU_regval_type))
		key->reg = ops[0].number;
	else if (count == 2 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31 &&
		 ops[0].number == 0 &&
		 (ops[1].atom == DW_OP_deref || ops[1].atom == DW_OP_deref_size))
		key->reg = ops[0].atom - DW_OP_breg0, key->is_memory = true;
	else
		return false;
	return true;
}

int argument_entry_value(struct argument_view *v, const Dwarf_Op *op, struct number *value)
{
	struct site_key key = {0};
	Dwarf_Attribute attr;
	Dwarf_Die die;
	Dwarf_Op *ops;
	size_t count;

	if (op->atom == DW_OP_GNU_parameter_ref) {
		key.parameter = &die;
		return dwarf_getlocation_die(&v->attr, op, &die) ? -ENODATA
								 : passed_value(v, &key, value);
	}
	if (dwarf_getlocation_attr(&v->attr, op, &attr) || dwarf_getlocation(&attr, &ops, &count) ||
	    !key_of(ops, count, &key))
		return -ENODATA;
	return passed_value(v, &key, value);
}

enum fetch argument_fetch_entry(struct argument_view *v, Dwarf_Die *die, unsigned size,
				struct argument_value *value)
{
	struct number passed;
	Dwarf_Addr lookup = v->lookup, entry;
	Dwarf_Attribute attr;
	struct site_key key = {0};
	Dwarf_Op *ops;
	size_t count;
	int error;

	memset(value, 0, sizeof(*value));
	value->size = size;
	if (size == 0 || size > sizeof(passed.bits) || !dwarf_attr(die, DW_AT_location, &attr) ||
	    dwarf_entrypc(&v->function, &entry))
		return FETCH_OPTIMIZED_OUT;
	v->lookup = entry;
	error = argument_decode(v, &attr, &ops, &count);
	v->lookup = lookup;
	if (error || count != 1 || !key_of(ops, count, &key) || passed_value(v, &key, &passed))
		return FETCH_OPTIMIZED_OUT;
	memcpy(value->bytes, &passed.bits, size);
	return FETCH_OK;
}
