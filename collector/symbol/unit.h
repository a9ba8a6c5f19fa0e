/*
 * Compilation units of an image's DWARF, found by address: by .debug_aranges, by the units' own
 * ranges where a compiler leaves that out (clang), and through the skeleton of a unit whose
 * functions stand in another file (split DWARF, .dwo).
 */
#ifndef LOCKJAM_UNIT_H
#define LOCKJAM_UNIT_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "collector/symbol/image.h"

struct unit {
	Dwarf_Die lines; /* the unit that has the line table */
	Dwarf_Die tree; /* the one that has functions; of a split unit that is not there: `lines` */
};

struct unit_range {
	uint64_t low, high;
	Dwarf_Off unit; /* DIE's offset */
};

/* One for each image; zeroed at first. */
struct units {
	bool has_ranges;
	struct unit_range *ranges; /* by low */
	uint32_t count, room;
};

/* The unit with code at an address of `dwarf`, which is the image's; false if there is none. */
bool units_find(struct units *units, struct image *image, Dwarf *dwarf, uint64_t address,
		struct unit *unit);
void units_done(struct units *units);

#endif
