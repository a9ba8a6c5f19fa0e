/*
 * Types of arguments: what DWARF says, reduced to what printing needs. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_TYPE_H
#define LOCKJAM_ARGUMENT_TYPE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

enum type_class {
	TYPE_UNKNOWN, /* void, or broken debug information */
	TYPE_INTEGER,
	TYPE_BOOL,
	TYPE_CHAR, /* printed as a number and as a character; also wchar_t and its kin */
	TYPE_FLOAT,
	TYPE_COMPLEX,
	TYPE_ENUM,
	TYPE_POINTER,
	TYPE_REFERENCE, /* also to an rvalue */
	TYPE_FUNCTION,
	TYPE_AGGREGATE, /* struct, class, union, array */
};

struct argument_type {
	enum type_class class;
	unsigned size; /* bytes, 0 unknown */
	bool is_signed;
	const char *prefix; /* TYPE_CHAR: "", "L", "u" or "U" */
	Dwarf_Die die;      /* without typedefs and qualifiers; only if class is not TYPE_UNKNOWN */
};

/* The type that DW_AT_type of `die` (or of its origin) names. */
struct argument_type argument_type_of(Dwarf_Die *die);

/* --- enums --- */

struct argument_enum {
	bool is_flags;    /* gdb's rule: no value is negative, each that is not 0 is one bit */
	bool is_unsigned; /* no value is negative */
};

struct argument_enum argument_enum_of(struct argument_type *type);

/*
 * The enumerator after *state (a zeroed DIE: the first): its name, or NULL at the end. Give at most
 * `*budget` of them.
 */
const char *argument_enumerator(struct argument_type *type, Dwarf_Die *state, unsigned *budget,
				uint64_t *value);

#define ARGUMENT_ENUMERATORS 4096

/* What stands before its enumerators in C++: "ns::Color::", "" in C. */
void argument_enum_scope(struct argument_type *type, char *text, size_t size);

#endif
