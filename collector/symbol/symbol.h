/*
 * Names of addresses: function, inlined functions, source line. Of an image, not of a process, and
 * kept: a lock that a thousand processes take at the same line is looked up once.
 */
#ifndef LOCKJAM_SYMBOL_H
#define LOCKJAM_SYMBOL_H

#include <elfutils/libdw.h>

#include "collector/symbol/image.h"
#include "collector/model/model.h"

struct symbol_part {
	const char *function; /* demangled, without parameters; NULL unknown */
	const char *file;     /* as the compiler was given it, NULL unknown */
	int line;             /* 0 unknown */
	bool has_die;
	Dwarf_Die die; /* of the function, subprogram or inlined; if has_die */
};

/* What stands at one address: the innermost inlined function first, the real function last. */
struct symbol {
	uint64_t address;
	uint32_t count; /* of parts, at least 1 */
	struct symbol_part *parts;
	struct symbol *next; /* private */
};

/*
 * The symbol at an address of the image (the pc itself of an exact frame, pc - 1 of a return
 * address). Strings are the model's. Never changes. NULL if memory is out.
 */
const struct symbol *symbol_find(struct model *m, struct image *image, uint64_t address);

/* A linker's name as it is shown: of C++ and Rust demangled, without parameters (those are shown
 * with their values), hash and version. The model's. */
const char *symbol_plain_name(struct model *m, const char *name);

/*
 * The variable that an address of the image lies in, NULL unknown; *offset: how far into it.
 */
const char *symbol_variable(struct model *m, struct image *image, uint64_t address,
			    uint64_t *offset);

/* The address of a function by its name: see symtab_address(). */
bool symbol_address(struct image *image, const char *name, uint64_t *address);

void symbols_free(struct symbol_cache *cache);

#endif
