/*
 * Values at the entry of a function: what its caller says it passed (DW_TAG_call_site and its
 * parameters), evaluated in the caller's frame. Given up, as gdb does, when it is not certain that
 * the caller's call really led here: then a tail call stands between.
 */
#include "collector/argument_view.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

/* A search through DIEs of hostile size and shape: `budget` bounds it. */
struct site_search {
	Dwarf_Addr return_pc; /* DWARF address behind the call */
	unsigned budget;
};

static bool is_call_site(Dwarf_Die *die)
{
	return dwarf_tag(die) == DW_TAG_call_site || dwarf_tag(die) == DW_TAG_GNU_call_site;
}

static bool is_tail_call(Dwarf_Die *site)
{
	Dwarf_Attribute attr;
	bool is_set = false;

	return (dwarf_attr(site, DW_AT_call_tail_call, &attr) ||
		dwarf_attr(site, DW_AT_GNU_tail_call, &attr)) &&
	       dwarf_formflag(&attr, &is_set) == 0 && is_set;
}

static bool returns_to(Dwarf_Die *site, Dwarf_Addr pc)
{
	Dwarf_Attribute attr;
	Dwarf_Addr address;

	if (dwarf_attr(site, DW_AT_call_return_pc, &attr))
		return dwarf_formaddr(&attr, &address) == 0 && address == pc;
	return dwarf_tag(site) == DW_TAG_GNU_call_site && dwarf_lowpc(site, &address) == 0 &&
	       address == pc;
}

static bool has_code(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
	       tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

static bool find_site(struct site_search *s, Dwarf_Die *parent, unsigned depth, Dwarf_Die *site)
{
	Dwarf_Die child;

	if (depth > 4 * ARGUMENT_DEPTH || dwarf_child(parent, &child))
		return false;
	do {
		if (s->budget == 0)
			return false;
		s->budget--;
		if (is_call_site(&child) && !is_tail_call(&child) &&
		    returns_to(&child, s->return_pc)) {
			*site = child;
			return true;
		}
		if (has_code(&child) && find_site(s, &child, depth + 1, site))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* --- does the call lead here? ------------------------------------------------------------------
 */

static bool site_origin(Dwarf_Die *site, Dwarf_Die *origin)
{
	Dwarf_Attribute attr;

	return (dwarf_attr(site, DW_AT_call_origin, &attr) ||
		dwarf_attr(site, DW_AT_abstract_origin, &attr)) &&
	       dwarf_formref_die(&attr, origin) != NULL;
}

/* The name that the linker knows: declarations in other units are found by it. */
static const char *linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		return dwarf_formstring(&attr);
	return dwarf_diename(die);
}

static bool is_same_function(Dwarf_Die *a, Dwarf_Die *b)
{
	const char *name_a = linkage_name(a), *name_b = linkage_name(b);

	return name_a && name_b && strcmp(name_a, name_b) == 0;
}

/* An indirect call: where it went is told by an expression, if the register still is known. */
static bool target_is(struct argument_view *caller, Dwarf_Die *site, Dwarf_Die *callee,
		      Dwarf_Addr callee_bias)
{
	struct expression_env env = argument_env(caller);
	struct number target;
	Dwarf_Attribute attr;
	Dwarf_Addr entry;
	Dwarf_Op *ops;
	size_t count;

	if (!dwarf_attr(site, DW_AT_call_target, &attr) &&
	    !dwarf_attr(site, DW_AT_GNU_call_site_target, &attr))
		return false;
	if (dwarf_entrypc(callee, &entry) || argument_decode(caller, &attr, &ops, &count) ||
	    expression_compute(&env, ops, count, caller->steps, &target))
		return false;
	return target.bits == entry + callee_bias;
}

/*
 * A function that may call itself as the last thing it does runs several times in one frame, with
 * other arguments than the caller passed. An indirect last call may be such a one.
 */
static bool may_tail_call(struct site_search *s, Dwarf_Die *parent, Dwarf_Die *self, unsigned depth)
{
	Dwarf_Die child, origin;

	if (depth > 4 * ARGUMENT_DEPTH || dwarf_child(parent, &child))
		return false;
	do {
		if (s->budget == 0)
			return true;
		s->budget--;
		if (is_call_site(&child) && is_tail_call(&child) &&
		    (!site_origin(&child, &origin) || is_same_function(&origin, self)))
			return true;
		if (has_code(&child) && may_tail_call(s, &child, self, depth + 1))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

static bool leads_here(struct argument_view *v, struct argument_view *caller, Dwarf_Die *site)
{
	struct site_search search = {.budget = ARGUMENT_DIES};
	Dwarf_Die origin;

	if (site_origin(site, &origin)) {
		if (!is_same_function(&origin, &v->function))
			return false;
	} else if (!target_is(caller, site, &v->function, v->bias)) {
		return false;
	}
	return !may_tail_call(&search, &v->function, &v->function, 0);
}

/* The caller's frame as a view (which keeps `frame`), and the call site in it. */
static int find_caller(struct argument_view *v, struct argument_frame *frame,
		       struct argument_view *caller, Dwarf_Die *site)
{
	struct site_search search = {.budget = ARGUMENT_DIES};

	if (v->depth >= ARGUMENT_DEPTH ||
	    !v->source->find_caller(v->source->context, v->frame, frame) ||
	    argument_view_init(caller, v->source, frame, NULL, v->steps))
		return -ENODATA;
	caller->depth = v->depth + 1;
	search.return_pc = frame->pc - caller->bias;
	if (!find_site(&search, &caller->function, 0, site) || !leads_here(v, caller, site))
		return -ENODATA;
	return 0;
}

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
	if (find_caller(v, &frame, &caller, &site) || dwarf_child(&site, &child))
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
