#include "config.h"

#include "collector/symbol/unit.h"

#include <dwarf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- by the units' own ranges ----------------------------------------------------------------- */

static bool add_range(struct units *units, uint64_t low, uint64_t high, Dwarf_Off unit)
{
	if (units->count == units->room) {
		uint32_t room = units->room ? units->room * 2 : 256;
		struct unit_range *grown = reallocarray(units->ranges, room, sizeof(*grown));
		if (!grown)
			return false;
		units->ranges = grown;
		units->room = room;
	}
	units->ranges[units->count++] = (struct unit_range){low, high, unit};
	return true;
}

static int compare_ranges(const void *x, const void *y)
{
	const struct unit_range *a = x, *b = y;

	return a->low == b->low ? 0 : a->low < b->low ? -1 : 1;
}

static void load_ranges(struct units *units, Dwarf *dwarf)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	units->has_ranges = true;
	while (dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		while ((at = dwarf_ranges(&die, at, &base, &low, &high)) > 0)
			if (low < high && !add_range(units, low, high, dwarf_dieoffset(&die)))
				return;
	}
	if (units->count)
		qsort(units->ranges, units->count, sizeof(units->ranges[0]), compare_ranges);
}

static bool find_by_ranges(struct units *units, Dwarf *dwarf, uint64_t address, Dwarf_Die *unit)
{
	uint32_t low = 0, high;

	if (!units->has_ranges)
		load_ranges(units, dwarf);
	for (high = units->count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		if (units->ranges[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < units->ranges[low - 1].high &&
	       dwarf_offdie(dwarf, units->ranges[low - 1].unit, unit);
}

/* --- split units ------------------------------------------------------------------------------ */

/*
 * libdw opens a .dwo by itself, waits for whatever it is, and maps it. Its name comes from a file
 * that anybody may have written: so nothing but a regular file, which its owner cannot cut in that
 * moment because it is root's or ours. One that is not there does no harm.
 */
static bool is_harmless(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", name[0] == '/' ? "" : folder, name) >=
	    (int)sizeof(path))
		return true;
	return stat(path, &st) ||
	       (S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()));
}

static bool is_harmless_beside(const char *file, const char *name)
{
	const char *slash = file ? strrchr(file, '/') : NULL;
	char folder[PATH_MAX];

	if (!slash || slash - file >= (ptrdiff_t)sizeof(folder))
		return true;
	memcpy(folder, file, (size_t)(slash - file));
	folder[slash - file] = '\0';
	return is_harmless(folder, name);
}

/* libdw looks beside the file that has the skeleton, and in the folder of compilation. */
static bool may_be_opened(struct image *image, Dwarf_Die *skeleton)
{
	Dwarf_Attribute attribute;
	char link[64], path[PATH_MAX] = "";
	const char *debug_file = NULL, *name, *folder;

	if (!dwarf_attr(skeleton, DW_AT_dwo_name, &attribute) &&
	    !dwarf_attr(skeleton, DW_AT_GNU_dwo_name, &attribute))
		return false;
	name = dwarf_formstring(&attribute);
	folder = dwarf_formstring(dwarf_attr(skeleton, DW_AT_comp_dir, &attribute));
	/* A relative folder is searched from that of the file, wherever it is: left out. */
	if (!name || (folder && folder[0] != '/'))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", image->fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		path[0] = '\0';
	dwfl_module_info(image_module(image), NULL, NULL, NULL, NULL, NULL, NULL, &debug_file);
	return is_harmless_beside(path, name) && is_harmless_beside(debug_file, name) &&
	       (!folder || is_harmless(folder, name));
}

/* The split unit of a skeleton, if its file is there. */
static void find_tree(struct image *image, struct unit *unit)
{
	Dwarf_Die split;
	uint8_t type;

	unit->tree = unit->lines;
	if (dwarf_cu_info(unit->lines.cu, NULL, &type, NULL, NULL, NULL, NULL, NULL) ||
	    type != DW_UT_skeleton || !may_be_opened(image, &unit->lines))
		return;
	memset(&split, 0, sizeof(split));
	if (!dwarf_cu_info(unit->lines.cu, NULL, NULL, NULL, &split, NULL, NULL, NULL) && split.cu)
		unit->tree = split;
}

bool units_find(struct units *units, struct image *image, Dwarf *dwarf, uint64_t address,
		struct unit *unit)
{
	if (!dwarf_addrdie(dwarf, address, &unit->lines) &&
	    !find_by_ranges(units, dwarf, address, &unit->lines))
		return false;
	find_tree(image, unit);
	return true;
}

void units_done(struct units *units)
{
	free(units->ranges);
}
