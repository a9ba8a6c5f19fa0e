#include "config.h"

#include "collector/argument.h"

#include <ctype.h>
#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/location.h"

#define ARGUMENTS_MAX 24
#define STRING_MAX 64   /* characters of a string that are shown */
#define TYPES_MAX 32    /* typedefs and qualifiers over each other */
#define OPTIMIZED_OUT "<optimized out>"

/* --- types ------------------------------------------------------------------------------------ */

/* Behind typedefs and qualifiers; false for none (void). */
static bool plain_type(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	if (!dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attribute), type))
		return false;
	for (int i = 0; i < TYPES_MAX; i++) {
		int tag = dwarf_tag(type);
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type &&
		    tag != DW_TAG_volatile_type && tag != DW_TAG_restrict_type &&
		    tag != DW_TAG_atomic_type)
			return true;
		Dwarf_Die inner;
		if (!dwarf_formref_die(dwarf_attr_integrate(type, DW_AT_type, &attribute), &inner))
			return false;
		*type = inner;
	}
	return false;
}

static uint64_t number_of(Dwarf_Die *die, unsigned name, uint64_t otherwise)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr_integrate(die, name, &attribute), &value))
		return otherwise;
	return value;
}

static bool is_character(Dwarf_Die *type)
{
	uint64_t encoding = number_of(type, DW_AT_encoding, 0);

	return dwarf_tag(type) == DW_TAG_base_type && number_of(type, DW_AT_byte_size, 0) == 1 &&
	       (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char);
}

/* --- values ----------------------------------------------------------------------------------- */

static int64_t sign_extend(uint64_t value, size_t size)
{
	unsigned shift = 64 - 8 * (unsigned)size;

	return (int64_t)(value << shift) >> shift;
}

/* One character of a string as C writes it. */
static void put_character(FILE *out, unsigned char c, char quote)
{
	if (c == '\n')
		fputs("\\n", out);
	else if (c == '\t')
		fputs("\\t", out);
	else if (c == (unsigned char)quote || c == '\\')
		fprintf(out, "\\%c", c);
	else if (c < 32 || c > 126)
		fprintf(out, "\\%03o", c);
	else
		fputc(c, out);
}

static void put_string(FILE *out, const struct argument_frame *frame, uint64_t address)
{
	unsigned char c;

	if (!address || !frame->read(frame->context, address, &c, 1))
		return;
	fputs(" \"", out);
	for (unsigned i = 0; i < STRING_MAX; i++) {
		if (!frame->read(frame->context, address + i, &c, 1) || !c) {
			fputc('"', out);
			return;
		}
		put_character(out, c, '"');
	}
	fputs("\"...", out);
}

static void put_float(FILE *out, uint64_t value, size_t size)
{
	float single;
	double number;

	if (size == sizeof(single)) {
		uint32_t low = (uint32_t)value;
		memcpy(&single, &low, sizeof(single));
		fprintf(out, "%.9g", (double)single);
	} else if (size == sizeof(number)) {
		memcpy(&number, &value, sizeof(number));
		fprintf(out, "%.17g", number);
	} else {
		fputs("...", out);
	}
}

static void put_base(FILE *out, Dwarf_Die *type, uint64_t value, size_t size)
{
	switch (number_of(type, DW_AT_encoding, 0)) {
	case DW_ATE_boolean:
		fputs(value ? "true" : "false", out);
		break;
	case DW_ATE_float:
		put_float(out, value, size);
		break;
	case DW_ATE_signed_char:
	case DW_ATE_unsigned_char:
		fprintf(out, "%lld '",
			number_of(type, DW_AT_encoding, 0) == DW_ATE_signed_char
				? (long long)sign_extend(value, size)
				: (long long)value);
		put_character(out, (unsigned char)value, '\'');
		fputc('\'', out);
		break;
	case DW_ATE_signed:
		fprintf(out, "%lld", (long long)sign_extend(value, size));
		break;
	default:
		fprintf(out, "%llu", (unsigned long long)value);
	}
}

/* An enumerator by name; a set of flags as (A | B). */
static void put_enumeration(FILE *out, Dwarf_Die *type, uint64_t value, size_t size)
{
	uint64_t mask = size < 8 ? (UINT64_C(1) << (8 * size)) - 1 : UINT64_MAX, rest = value;
	const char *separator = "(";
	Dwarf_Die child;

	for (int more = dwarf_child(type, &child); !more; more = dwarf_siblingof(&child, &child)) {
		if ((number_of(&child, DW_AT_const_value, 0) & mask) == value) {
			fputs(dwarf_diename(&child) ? dwarf_diename(&child) : "?", out);
			return;
		}
	}
	for (int more = dwarf_child(type, &child); !more; more = dwarf_siblingof(&child, &child)) {
		uint64_t flag = number_of(&child, DW_AT_const_value, 0) & mask;
		if (!flag || (flag & (flag - 1)) || !(rest & flag) || !dwarf_diename(&child))
			continue;
		fprintf(out, "%s%s", separator, dwarf_diename(&child));
		separator = " | ";
		rest &= ~flag;
	}
	if (separator[0] == '(')
		fprintf(out, "%llu", (unsigned long long)value);
	else if (rest)
		fprintf(out, " | 0x%llx)", (unsigned long long)rest);
	else
		fputc(')', out);
}

static void put_value(FILE *out, Dwarf_Die *type, uint64_t value, size_t size,
		      const struct argument_frame *frame)
{
	Dwarf_Die target;

	switch (dwarf_tag(type)) {
	case DW_TAG_base_type:
		put_base(out, type, value, size);
		break;
	case DW_TAG_enumeration_type:
		put_enumeration(out, type, value, size);
		break;
	case DW_TAG_pointer_type:
		fprintf(out, "0x%llx", (unsigned long long)value);
		if (plain_type(type, &target) && is_character(&target))
			put_string(out, frame, value);
		break;
	default: /* references */
		fprintf(out, "@0x%llx", (unsigned long long)value);
	}
}

static bool is_scalar(Dwarf_Die *type)
{
	switch (dwarf_tag(type)) {
	case DW_TAG_base_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		return true;
	default:
		return false;
	}
}

/* The value at a location, cut to size; false if it is not to be had. */
static bool load(const struct location *l, size_t size, const struct argument_frame *frame,
		 uint64_t *value)
{
	*value = 0;
	switch (l->kind) {
	case LOCATION_MEMORY:
		return frame->read(frame->context, l->value, value, size);
	case LOCATION_VALUE:
		memcpy(value, &l->value, size);
		return true;
	case LOCATION_BYTES:
		memcpy(value, l->bytes, size < l->length ? size : l->length);
		return true;
	default:
		return false;
	}
}

static struct location find_location(Dwarf_Die *parameter, const struct location_scope *scope)
{
	struct location l = { .kind = LOCATION_NONE };
	Dwarf_Attribute attribute;
	Dwarf_Word constant;
	Dwarf_Sword number;

	if (dwarf_attr_integrate(parameter, DW_AT_const_value, &attribute)) {
		if (!dwarf_formudata(&attribute, &constant))
			return (struct location){ .kind = LOCATION_VALUE, .value = constant };
		if (!dwarf_formsdata(&attribute, &number))
			return (struct location){ .kind = LOCATION_VALUE,
						  .value = (uint64_t)number };
	}
	if (dwarf_attr_integrate(parameter, DW_AT_location, &attribute))
		l = location_find(scope, &attribute);
	return l;
}

static void put_parameter(FILE *out, Dwarf_Die *parameter, const struct location_scope *scope)
{
	struct location l = find_location(parameter, scope);
	uint64_t size, value;
	Dwarf_Die type;

	if (!plain_type(parameter, &type) || l.kind == LOCATION_NONE) {
		fputs(OPTIMIZED_OUT, out);
		return;
	}
	if (!is_scalar(&type)) {
		fputs("...", out); /* as gdb does in a backtrace */
		return;
	}
	size = number_of(&type, DW_AT_byte_size, 8);
	if (size == 0 || size > sizeof(value))
		fputs("...", out);
	else if (!load(&l, size, scope->frame, &value))
		fputs("<not recorded>", out);
	else
		put_value(out, &type, value, size, scope->frame);
}

static void put_parameters(FILE *out, Dwarf_Die *function, const struct location_scope *scope)
{
	unsigned count = 0;
	Dwarf_Die child;

	for (int more = dwarf_child(function, &child); !more;
	     more = dwarf_siblingof(&child, &child)) {
		Dwarf_Attribute attribute;
		const char *name = dwarf_formstring(
			dwarf_attr_integrate(&child, DW_AT_name, &attribute));
		if (dwarf_tag(&child) != DW_TAG_formal_parameter || !name)
			continue;
		if (count++ == ARGUMENTS_MAX) {
			fputs(", ...", out);
			return;
		}
		fprintf(out, "%s%s=", count > 1 ? ", " : "", name);
		put_parameter(out, &child, scope);
	}
}

const char *argument_text(struct model *m, const struct symbol *symbol, uint32_t part,
			  const struct argument_frame *frame)
{
	struct symbol_part *last = &symbol->parts[symbol->count - 1];
	char *text = NULL;
	size_t size;

	if (!symbol->parts[part].has_die)
		return NULL;
	struct location_scope scope = {
		.frame = frame,
		.address = symbol->address - symbol->dwarf_bias,
		.bias = frame->bias + symbol->dwarf_bias,
		.function = last->has_die && dwarf_tag(&last->die) == DW_TAG_subprogram ? &last->die
											: NULL,
	};
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		m->out_of_memory = true;
		return NULL;
	}
	put_parameters(out, &symbol->parts[part].die, &scope);
	fclose(out);
	const char *copy = text ? model_string(m, text) : NULL;

	free(text);
	return copy;
}
