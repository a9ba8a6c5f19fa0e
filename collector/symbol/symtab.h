/*
 * The function symbols of one module (.symtab, .dynsym, separate and mini debug information, as
 * libdwfl finds them), sorted for look-up by address and by name.
 */
#ifndef LOCKJAM_SYMTAB_H
#define LOCKJAM_SYMTAB_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

struct symtab;

/* `module` must outlive it. NULL if memory is out. */
struct symtab *symtab_new(Dwfl_Module *module);
void symtab_free(struct symtab *t);

/*
 * The symbol that covers an address: within its size, or, of a sizeless one (assembler), up to the
 * next symbol. Of aliases the one that programs call (malloc, not __libc_malloc). NULL if none.
 */
const char *symtab_find(const struct symtab *t, uint64_t address);
/* The address of a function: the global one of this name, else the only local one; false if there
 * is none, or several. */
bool symtab_address(const struct symtab *t, const char *name, uint64_t *address);

/* The variable that covers an address, by looking at all of them; NULL if none does. */
const char *symtab_variable(Dwfl_Module *module, uint64_t address, uint64_t *offset);

#endif
