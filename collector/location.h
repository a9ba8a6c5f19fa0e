/*
 * Where a variable is: evaluation of DWARF location expressions.
 */
#ifndef LOCKJAM_LOCATION_H
#define LOCKJAM_LOCATION_H

#include <elfutils/libdw.h>

#include "collector/argument.h"

enum location_kind {
	LOCATION_NONE,    /* optimized out, or it cannot be evaluated with what is known */
	LOCATION_MEMORY,  /* at an address of the process */
	LOCATION_VALUE,   /* the value itself, as in a register */
	LOCATION_BYTES,   /* the value itself, as bytes of the DWARF */
};

struct location {
	enum location_kind kind;
	uint64_t value; /* address or value */
	const unsigned char *bytes;
	size_t length;
};

/* What a location depends on besides the frame. */
struct location_scope {
	const struct argument_frame *frame;
	uint64_t address;    /* of the frame, as the Dwarf counts */
	uint64_t bias;       /* address in the process minus address of the Dwarf */
	Dwarf_Die *function; /* the subprogram, which has the frame base */
};

/* The location that an attribute (DW_AT_location) describes at the scope's address. */
struct location location_find(const struct location_scope *scope, Dwarf_Attribute *attribute);

#endif
