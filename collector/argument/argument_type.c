/* See argument_type.h. */
#include "collector/argument/argument_type.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "collector/symbol/scope.h"

#define TYPE_DEPTH 64 /* typedefs of typedefs; hostile ones may go round in circles */

static Dwarf_Word unsigned_attribute(Dwarf_Die *die, unsigned name, Dwarf_Word fallback)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!dwarf_attr_integrate(die, name, &attr) || dwarf_formudata(&attr, &value))
		return fallback;
	return value;
}

static bool follow(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	return dwarf_attr_integrate(die, DW_AT_type, &attr) && dwarf_formref_die(&attr, type);
}

static bool is_wrapper(int tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type ||
	       tag == DW_TAG_immutable_type;
}

/* C's wide characters are integers; only the name of the typedef tells. */
static const char *wide_prefix(Dwarf_Die *die)
{
	const char *name = dwarf_tag(die) == DW_TAG_typedef ? dwarf_diename(die) : NULL;

	if (!name)
		return NULL;
	if (strcmp(name, "wchar_t") == 0)
		return "L";
	if (strcmp(name, "char16_t") == 0)
		return "u";
	return strcmp(name, "char32_t") == 0 ? "U" : NULL;
}

static void classify_base(struct argument_type *t)
{
	Dwarf_Word encoding = unsigned_attribute(&t->die, DW_AT_encoding, 0);
	const char *name = dwarf_diename(&t->die);

	t->class = TYPE_INTEGER;
	switch (encoding) {
	case DW_ATE_boolean:
		t->class = TYPE_BOOL;
		break;
	case DW_ATE_float:
		t->class = TYPE_FLOAT;
		break;
	case DW_ATE_complex_float:
		t->class = TYPE_COMPLEX;
		break;
	case DW_ATE_signed_char:
		t->class = TYPE_CHAR;
		t->is_signed = true;
		break;
	case DW_ATE_unsigned_char:
		t->class = TYPE_CHAR;
		break;
	case DW_ATE_UTF:
		t->class = TYPE_CHAR;
		t->prefix = t->size == 2 ? "u" : t->size == 4 ? "U" : "";
		break;
	case DW_ATE_signed:
		t->is_signed = true;
		/* C++: wchar_t is a type of its own. */
		if (name && strcmp(name, "wchar_t") == 0) {
			t->class = TYPE_CHAR;
			t->prefix = "L";
		}
		break;
	case DW_ATE_unsigned:
	case DW_ATE_address:
		break;
	default: /* decimal, fixed point, imaginary: not worth a wrong value */
		t->class = TYPE_UNKNOWN;
	}
}

static void classify(struct argument_type *t)
{
	switch (dwarf_tag(&t->die)) {
	case DW_TAG_base_type:
		classify_base(t);
		break;
	case DW_TAG_enumeration_type: {
		Dwarf_Die underlying;

		t->class = TYPE_ENUM;
		if (t->size == 0 && follow(&t->die, &underlying))
			t->size = (unsigned)unsigned_attribute(&underlying, DW_AT_byte_size, 4);
		break;
	}
	case DW_TAG_pointer_type:
		t->class = TYPE_POINTER;
		break;
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		t->class = TYPE_REFERENCE;
		break;
	case DW_TAG_subroutine_type:
		t->class = TYPE_FUNCTION;
		break;
	case DW_TAG_unspecified_type: /* decltype(nullptr) */
		t->class = TYPE_UNKNOWN;
		break;
	default: /* also pointers to members */
		t->class = TYPE_AGGREGATE;
	}
	if ((t->class == TYPE_POINTER || t->class == TYPE_REFERENCE) && t->size == 0)
		t->size = sizeof(uint64_t);
}

struct argument_type argument_type_of(Dwarf_Die *die)
{
	struct argument_type t = {.class = TYPE_UNKNOWN, .prefix = ""};
	const char *wide = NULL;

	if (!follow(die, &t.die))
		return t;
	for (int i = 0; is_wrapper(dwarf_tag(&t.die)); i++) {
		Dwarf_Die inner;

		wide = wide ? wide : wide_prefix(&t.die);
		if (i == TYPE_DEPTH || !follow(&t.die, &inner))
			return t;
		t.die = inner;
	}
	t.size = (unsigned)unsigned_attribute(&t.die, DW_AT_byte_size, 0);
	classify(&t);
	if (wide && t.class == TYPE_INTEGER) {
		t.class = TYPE_CHAR;
		t.prefix = wide;
	}
	return t;
}

/* --- enums -------------------------------------------------------------------------------------
 */

const char *argument_enumerator(struct argument_type *type, Dwarf_Die *state, unsigned *budget,
				uint64_t *value)
{
	Dwarf_Die none;

	memset(&none, 0, sizeof(none));
	for (; *budget; --*budget) {
		bool is_first = memcmp(state, &none, sizeof(none)) == 0;
		const char *name;
		Dwarf_Attribute attr;
		Dwarf_Word word;

		if (is_first ? dwarf_child(&type->die, state) : dwarf_siblingof(state, state))
			return NULL;
		name = dwarf_tag(state) == DW_TAG_enumerator ? dwarf_diename(state) : NULL;
		if (!name || !dwarf_attr(state, DW_AT_const_value, &attr) ||
		    dwarf_formudata(&attr, &word))
			continue;
		--*budget;
		*value = word;
		return name;
	}
	return NULL;
}

struct argument_enum argument_enum_of(struct argument_type *type)
{
	struct argument_enum result = {.is_flags = true, .is_unsigned = true};
	unsigned budget = ARGUMENT_ENUMERATORS;
	Dwarf_Die state;
	uint64_t value;

	memset(&state, 0, sizeof(state));
	while (argument_enumerator(type, &state, &budget, &value)) {
		if ((int64_t)value < 0)
			result.is_flags = result.is_unsigned = false;
		if (value & (value - 1))
			result.is_flags = false;
	}
	return result;
}

void argument_enum_scope(struct argument_type *type, char *text, size_t size)
{
	Dwarf_Attribute attr;
	const char *name;
	size_t used;

	scope_prefix(&type->die, text, size);
	name = dwarf_attr(&type->die, DW_AT_enum_class, &attr) ? dwarf_diename(&type->die) : NULL;
	used = strlen(text);
	if (name)
		snprintf(text + used, size - used, "%s::", name);
}
