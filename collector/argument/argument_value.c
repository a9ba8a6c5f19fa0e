/* See argument_value.h: every class of scalars, one function each. */
#include "config.h"

#include "collector/argument/argument_value.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collector/argument/argument_string.h"

#ifdef HAVE_DEMANGLE
#include <libiberty/demangle.h>
#endif

/* Up to 8 bytes, extended. */
static uint64_t load_integer(const unsigned char *bytes, unsigned size, bool is_signed)
{
	struct number type = {0, is_signed ? KIND_SIGNED : KIND_UNSIGNED, size};
	uint64_t raw = 0;

	memcpy(&raw, bytes, size < 8 ? size : 8);
	return number_load(type, raw).bits;
}

/* --- numbers -----------------------------------------------------------------------------------
 */

static void print_integer16(struct argument_text *t, const unsigned char *bytes, bool is_signed)
{
	unsigned __int128 value;
	char digits[48];
	unsigned at = sizeof(digits) - 1;
	bool is_negative;

	memcpy(&value, bytes, sizeof(value));
	is_negative = is_signed && (__int128)value < 0;
	if (is_negative)
		value = -value;
	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + (unsigned)(value % 10));
	while ((value /= 10) != 0);
	text_append(t, "%s%s", is_negative ? "-" : "", digits + at);
}

static void print_integer(struct argument_text *t, const struct argument_type *type,
			  const unsigned char *bytes)
{
	uint64_t value = load_integer(bytes, type->size, type->is_signed);

	if (type->size == 16)
		print_integer16(t, bytes, type->is_signed);
	else if (type->is_signed)
		text_append(t, "%lld", (long long)value);
	else
		text_append(t, "%llu", (unsigned long long)value);
}

static void print_bool(struct argument_text *t, const struct argument_type *type,
		       const unsigned char *bytes)
{
	uint64_t value = load_integer(bytes, type->size, false);

	if (value <= 1)
		text_append(t, "%s", value ? "true" : "false");
	else
		text_append(t, "%llu", (unsigned long long)value);
}

static void print_char(struct argument_text *t, const struct argument_type *type,
		       const unsigned char *bytes)
{
	uint32_t code = (uint32_t)load_integer(bytes, type->size, false);

	print_integer(t, type, bytes);
	text_append(t, " %s'", type->prefix);
	text_append_char(t, code, type->size, '\'');
	text_append(t, "'");
}

/* The digits are as many as tell every value from its neighbours, as gdb takes them. */
static bool print_float(struct argument_text *t, unsigned size, const unsigned char *bytes)
{
	long double value;
	double d;
	float f;
	uint64_t mantissa = 0;
	int digits = size == 4 ? 9 : size == 8 ? 17 : LDBL_MANT_DIG == 64 ? 21 : 36;

	memcpy(&mantissa, bytes, size < 8 ? size : 8);
	if (size == 4) {
		memcpy(&f, bytes, sizeof(f));
		value = f;
		mantissa &= 0x7fffff;
	} else if (size == 8) {
		memcpy(&d, bytes, sizeof(d));
		value = d;
		mantissa &= 0xfffffffffffff;
	} else if (size == sizeof(value)) {
		memcpy(&value, bytes, sizeof(value));
	} else {
		return false;
	}
	if (isnan(value))
		text_append(t, "%snan(0x%llx)", signbit(value) ? "-" : "",
			    (unsigned long long)mantissa);
	else
		text_append(t, "%.*Lg", digits, value);
	return true;
}

static bool print_complex(struct argument_text *t, unsigned size, const unsigned char *bytes)
{
	unsigned half = size / 2;

	if (!print_float(t, half, bytes))
		return false;
	text_append(t, " + ");
	print_float(t, half, bytes + half);
	text_append(t, "i");
	return true;
}

/* --- enums -------------------------------------------------------------------------------------
 */

static bool print_enumerator(struct argument_text *t, struct argument_type *type, uint64_t value,
			     const char *scope)
{
	struct number as = {0, KIND_UNSIGNED, type->size};
	unsigned budget = ARGUMENT_ENUMERATORS;
	const char *name;
	uint64_t candidate;
	Dwarf_Die state;

	memset(&state, 0, sizeof(state));
	value = number_load(as, value).bits;
	while ((name = argument_enumerator(type, &state, &budget, &candidate)) != NULL) {
		if (number_load(as, candidate).bits == value) {
			text_append(t, "%s%s", scope, name);
			return true;
		}
	}
	return false;
}

/* (A | B), (A | unknown: 0x8), (unknown: 0x8), 0 */
static void print_flags(struct argument_text *t, struct argument_type *type, uint64_t value,
			const char *scope)
{
	unsigned budget = ARGUMENT_ENUMERATORS;
	const char *name, *before = "(";
	uint64_t bit;
	Dwarf_Die state;

	memset(&state, 0, sizeof(state));
	if (value == 0) {
		text_append(t, "0");
		return;
	}
	while ((name = argument_enumerator(type, &state, &budget, &bit)) != NULL) {
		if (!(value & bit))
			continue;
		text_append(t, "%s%s%s", before, scope, name);
		before = " | ";
		value &= ~bit;
	}
	if (value)
		text_append(t, "%sunknown: 0x%llx", before, (unsigned long long)value);
	text_append(t, ")");
}

static void print_enum(struct argument_text *t, struct argument_type *type,
		       const unsigned char *bytes)
{
	struct argument_enum kind = argument_enum_of(type);
	uint64_t value = load_integer(bytes, type->size, !kind.is_unsigned);
	char scope[256];

	argument_enum_scope(type, scope, sizeof(scope));
	if (print_enumerator(t, type, value, scope))
		return;
	if (kind.is_flags)
		print_flags(t, type, value, scope);
	else if (kind.is_unsigned)
		text_append(t, "%llu", (unsigned long long)value);
	else
		text_append(t, "%lld", (long long)value);
}

/* --- pointers ----------------------------------------------------------------------------------
 */

static void append_symbol_name(struct argument_text *t, const char *name, uint64_t offset)
{
	const char *dot = strrchr(name, '.');
	char *demangled = NULL;
	int length;

#ifdef HAVE_DEMANGLE
	demangled = cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
#endif
	/* The compiler numbers static variables of functions: `table.0` is `table` in the source.
	 */
	if (dot && dot > name && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == '\0' &&
	    !offset)
		length = (int)(dot - name);
	else
		length = (int)strlen(name);
	if (demangled)
		text_append(t, " <%s", demangled);
	else
		text_append(t, " <%.*s", length, name);
	if (offset)
		text_append(t, "+%llu", (unsigned long long)offset);
	text_append(t, ">");
	free(demangled);
}

/* The variable or function that a pointer points into, never a neighbour of it. */
static void print_symbol(struct argument_text *t, const struct argument_source *source,
			 uint64_t address)
{
	struct argument_place place;
	GElf_Off offset;
	GElf_Sym symbol;
	const char *name;

	if (!source->find_place(source->context, address, &place))
		return;
	name = dwfl_module_addrinfo(place.module, address - place.shift, &offset, &symbol, NULL,
				    NULL, NULL);
	if (name && name[0] && (offset < symbol.st_size || offset == 0))
		append_symbol_name(t, name, offset);
}

static void print_pointer(struct argument_text *t, const struct argument_source *source,
			  struct argument_type *type, const unsigned char *bytes)
{
	uint64_t address = load_integer(bytes, type->size, false);
	struct argument_type target = argument_type_of(&type->die);

	text_append(t, "0x%llx", (unsigned long long)address);
	if (address == 0)
		return;
	print_symbol(t, source, address);
	if (target.class == TYPE_CHAR)
		value_print_string(t, source, &target, address);
}

/* The address, and what a scalar's reference stands for: @0x7ffc01: 5 */
static void print_reference(struct argument_text *t, const struct argument_source *source,
			    struct argument_type *type, const unsigned char *bytes)
{
	uint64_t address = load_integer(bytes, type->size, false);
	struct argument_type target = argument_type_of(&type->die);
	unsigned char inner[ARGUMENT_VALUE_MAX] = {0};

	text_append(t, "@0x%llx", (unsigned long long)address);
	if (target.class == TYPE_UNKNOWN || target.class == TYPE_AGGREGATE ||
	    target.class == TYPE_FUNCTION || target.class == TYPE_REFERENCE || target.size == 0 ||
	    target.size > sizeof(inner))
		return;
	if (source->read_memory(source->context, address, inner, target.size)) {
		text_append(t, ": ");
		value_print(t, source, &target, inner);
	} else if (!source->is_partial) {
		text_append(t, ": <error: Cannot access memory at address 0x%llx>",
			    (unsigned long long)address);
	}
}

void value_print(struct argument_text *t, const struct argument_source *source,
		 struct argument_type *type, const unsigned char *bytes)
{
	bool is_known = true;

	if (type->class == TYPE_FLOAT)
		is_known = print_float(t, type->size, bytes);
	else if (type->class == TYPE_COMPLEX)
		is_known = print_complex(t, type->size, bytes);
	else if (type->size > 8 && !(type->class == TYPE_INTEGER && type->size == 16))
		is_known = false;
	else if (type->class == TYPE_INTEGER)
		print_integer(t, type, bytes);
	else if (type->class == TYPE_BOOL)
		print_bool(t, type, bytes);
	else if (type->class == TYPE_CHAR)
		print_char(t, type, bytes);
	else if (type->class == TYPE_ENUM)
		print_enum(t, type, bytes);
	else if (type->class == TYPE_POINTER)
		print_pointer(t, source, type, bytes);
	else if (type->class == TYPE_REFERENCE)
		print_reference(t, source, type, bytes);
	else
		is_known = false;
	if (!is_known)
		text_append(t, "{...}");
}
