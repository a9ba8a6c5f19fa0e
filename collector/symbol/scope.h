/*
 * What encloses a DIE or an address in a unit's tree, where libdw's dwarf_getscopes does not do.
 */
#ifndef LOCKJAM_SCOPE_H
#define LOCKJAM_SCOPE_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * What stands before the name of `die` in its language: "mail::Box::", "(anonymous namespace)::";
 * "" in C. Of functions, where they were declared.
 */
void scope_prefix(Dwarf_Die *die, char *text, size_t size);

/*
 * The innermost function or block with code at `pc` (an address of the unit's DWARF), however its
 * function is nested: lambdas and local classes are children of functions whose code is elsewhere.
 */
bool scope_find(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die *innermost);

#endif
