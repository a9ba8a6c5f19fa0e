#include "collector/symbol/scope.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 64 /* of DIEs in each other */
#define DIES_MAX                                                                                   \
	200000 /* that are looked at for one address: hostile units may have any number            \
		*/
#define ORIGINS_MAX 8

/* --- names ------------------------------------------------------------------------------------ */

static bool has_scopes(Dwarf_Die *die)
{
	Dwarf_Die unit;

	if (!dwarf_diecu(die, &unit, NULL, NULL))
		return false;
	switch (dwarf_srclang(&unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_Rust:
	case DW_LANG_D:
		return true;
	default:
		return false;
	}
}

static bool names_scope(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static Dwarf_Die declaration_of(Dwarf_Die *die)
{
	Dwarf_Die now = *die, next;
	Dwarf_Attribute attribute;

	for (int i = 0; i < ORIGINS_MAX; i++) {
		if (!dwarf_attr(&now, DW_AT_abstract_origin, &attribute) &&
		    !dwarf_attr(&now, DW_AT_specification, &attribute))
			break;
		if (!dwarf_formref_die(&attribute, &next))
			break;
		now = next;
	}
	return now;
}

void scope_prefix(Dwarf_Die *die, char *text, size_t size)
{
	Dwarf_Die declaration = declaration_of(die), *scopes = NULL;
	size_t used = 0;
	int count;

	text[0] = '\0';
	if (!has_scopes(die))
		return;
	count = dwarf_getscopes_die(&declaration, &scopes);
	for (int i = count - 1; i > 0 && used < size; i--) {
		const char *name = dwarf_diename(&scopes[i]);

		if (!names_scope(&scopes[i]))
			continue;
		if (!name && dwarf_tag(&scopes[i]) == DW_TAG_namespace)
			name = "(anonymous namespace)";
		if (name)
			used += (size_t)snprintf(text + used, size - used, "%s::", name);
	}
	free(scopes);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_block(int tag)
{
	return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* Goes down while a block inside holds the address. */
static void descend(Dwarf_Addr pc, unsigned *budget, Dwarf_Die *innermost)
{
	Dwarf_Die child;

	for (int more = dwarf_child(innermost, &child); !more && *budget;) {
		--*budget;
		if (is_block(dwarf_tag(&child)) && dwarf_haspc(&child, pc) == 1) {
			*innermost = child;
			more = dwarf_child(innermost, &child);
		} else {
			more = dwarf_siblingof(&child, &child);
		}
	}
}

static bool may_hold_functions(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_namespace || tag == DW_TAG_module ||
	       tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_union_type || is_block(tag);
}

static bool find_below(Dwarf_Die *parent, Dwarf_Addr pc, int depth, unsigned *budget,
		       Dwarf_Die *function)
{
	Dwarf_Die child;

	if (depth == DEPTH_MAX || dwarf_child(parent, &child))
		return false;
	do {
		int tag = dwarf_tag(&child);

		if (*budget == 0)
			return false;
		--*budget;
		if (tag == DW_TAG_subprogram && dwarf_haspc(&child, pc) == 1) {
			*function = child;
			return true;
		}
		if (may_hold_functions(tag) && find_below(&child, pc, depth + 1, budget, function))
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

bool scope_find(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die *innermost)
{
	unsigned budget = DIES_MAX;

	if (!find_below(unit, pc, 0, &budget, innermost))
		return false;
	descend(pc, &budget, innermost);
	return true;
}
