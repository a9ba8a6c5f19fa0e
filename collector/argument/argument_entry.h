/*
 * Values at the entry of a function. Shared by argument*.c only.
 */
#ifndef LOCKJAM_ARGUMENT_ENTRY_H
#define LOCKJAM_ARGUMENT_ENTRY_H

#include "collector/argument/argument_view.h"

/* For argument_view.entry_value. */
int argument_entry_value(struct argument_view *v, const Dwarf_Op *op, struct number *value);
/* The value of the parameter `die` at the entry of the function: it was passed in a register. */
enum fetch argument_fetch_entry(struct argument_view *v, Dwarf_Die *die, unsigned size,
				struct argument_value *value);

#endif
