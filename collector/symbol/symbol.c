#include "config.h"

#include "collector/symbol/symbol.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "collector/symbol/scope.h"
#include "collector/symbol/symtab.h"

#ifdef HAVE_DEMANGLE
#include <libiberty/demangle.h>
#endif

#define BUCKETS 256

struct cu_range {
	uint64_t low, high;
	Dwarf_Off cu; /* DIE's offset */
};

struct symbol_cache {
	struct symbol *buckets[BUCKETS];
	struct symtab *table;
	bool has_ranges;
	struct cu_range *ranges; /* of compilers that leave out .debug_aranges (clang) */
	uint32_t range_count, range_room;
};

/* --- names ------------------------------------------------------------------------------------ */

/* C++ and Rust; without parameters, because those are shown with their values. */
static const char *demangle(struct model *m, const char *name)
{
#ifdef HAVE_DEMANGLE
	char *plain = cplus_demangle(name, DMGL_AUTO);

	if (plain) {
		const char *copy = model_string(m, plain);
		free(plain);
		return copy;
	}
#endif
	const char *version = strchr(name + (*name != '\0'), '@');

	if (!version)
		return model_string(m, name);
	return model_stringf(m, "%.*s", (int)(version - name), name);
}

/* glibc's own symbols have other linkage names (__GI___libc_malloc): only mangled ones count. */
static bool is_mangled(const char *name)
{
	return name && (!strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2));
}

static const char *die_name(struct model *m, Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = NULL;
	char scope[512];

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
		name = dwarf_formstring(&attribute);
	if (is_mangled(name))
		return demangle(m, name);
	/* Functions that no other file sees have no mangled name, in C++ neither. */
	if (dwarf_attr_integrate(die, DW_AT_name, &attribute))
		name = dwarf_formstring(&attribute);
	scope_prefix(die, scope, sizeof(scope));
	return name && *scope ? model_stringf(m, "%s%s", scope, name)
	       : name         ? demangle(m, name)
			      : NULL;
}

static struct symtab *get_table(struct image *image)
{
	struct symbol_cache *cache = image->symbols;

	if (!cache->table && image_module(image))
		cache->table = symtab_new(image_module(image));
	return cache->table;
}

static const char *table_name(struct model *m, struct image *image, uint64_t address)
{
	struct symtab *table = get_table(image);
	const char *name = table ? symtab_find(table, address) : NULL;

	return name ? demangle(m, name) : NULL;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* A relative name in a line table is joined with the folder of compilation: take that off again. */
static const char *source_name(struct model *m, Dwarf_Die *cu, const char *file)
{
	Dwarf_Attribute attribute;
	const char *folder = dwarf_formstring(dwarf_attr(cu, DW_AT_comp_dir, &attribute));
	size_t length = folder ? strlen(folder) : 0;

	if (!file)
		return NULL;
	if (length && folder[0] == '/' && !strncmp(file, folder, length) && file[length] == '/')
		file += length + 1;
	return model_string(m, file);
}

static void find_line(struct model *m, Dwarf_Die *cu, uint64_t address, struct symbol_part *part)
{
	Dwarf_Line *line = dwarf_getsrc_die(cu, address);

	if (!line)
		return;
	part->file = source_name(m, cu, dwarf_linesrc(line, NULL, NULL));
	if (dwarf_lineno(line, &part->line))
		part->line = 0;
}

/* Where an inlined function was called: the line of the function around it. */
static void find_call_line(struct model *m, Dwarf_Die *cu, Dwarf_Die *inlined,
			   struct symbol_part *part)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number))
		part->line = (int)number;
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &number) &&
	    !dwarf_getsrcfiles(cu, &files, &count) && number < count)
		part->file = source_name(m, cu, dwarf_filesrc(files, number, NULL, NULL));
}

/* --- compilation units ------------------------------------------------------------------------ */

static bool add_range(struct symbol_cache *cache, uint64_t low, uint64_t high, Dwarf_Off cu)
{
	if (cache->range_count == cache->range_room) {
		uint32_t room = cache->range_room ? cache->range_room * 2 : 256;
		struct cu_range *grown = reallocarray(cache->ranges, room, sizeof(*grown));
		if (!grown)
			return false;
		cache->ranges = grown;
		cache->range_room = room;
	}
	cache->ranges[cache->range_count++] = (struct cu_range){low, high, cu};
	return true;
}

static int compare_ranges(const void *x, const void *y)
{
	const struct cu_range *a = x, *b = y;

	return a->low == b->low ? 0 : a->low < b->low ? -1 : 1;
}

static void load_ranges(struct symbol_cache *cache, Dwarf *dwarf)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	cache->has_ranges = true;
	while (dwarf_get_units(dwarf, cu, &cu, NULL, &type, &die, NULL) == 0) {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;

		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		while ((at = dwarf_ranges(&die, at, &base, &low, &high)) > 0)
			if (low < high && !add_range(cache, low, high, dwarf_dieoffset(&die)))
				return;
	}
	if (cache->range_count)
		qsort(cache->ranges, cache->range_count, sizeof(cache->ranges[0]), compare_ranges);
}

static bool find_cu_by_ranges(struct symbol_cache *cache, Dwarf *dwarf, uint64_t address,
			      Dwarf_Die *cu)
{
	uint32_t low = 0, high;

	if (!cache->has_ranges)
		load_ranges(cache, dwarf);
	for (high = cache->range_count; low < high;) {
		uint32_t middle = low + (high - low) / 2;
		if (cache->ranges[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < cache->ranges[low - 1].high &&
	       dwarf_offdie(dwarf, cache->ranges[low - 1].cu, cu);
}

static bool find_cu(struct symbol_cache *cache, Dwarf *dwarf, uint64_t address, Dwarf_Die *cu)
{
	if (dwarf_addrdie(dwarf, address, cu))
		return true;
	return find_cu_by_ranges(cache, dwarf, address, cu);
}

/* --- functions -------------------------------------------------------------------------------- */

static bool is_function(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram;
}

/*
 * The functions around an address, innermost first. dwarf_getscopes goes on with where an inlined
 * function was written; where it was inlined is what dwarf_getscopes_die tells.
 */
static int find_functions(Dwarf_Die *cu, uint64_t address, Dwarf_Die **functions)
{
	Dwarf_Die *scopes = NULL, *around = NULL, innermost;
	int count = dwarf_getscopes(cu, address, &scopes), kept = 0;

	if (count > 0)
		count = dwarf_getscopes_die(&scopes[0], &around);
	else if (scope_find(cu, address, &innermost))
		count = dwarf_getscopes_die(&innermost, &around);
	free(scopes);
	for (int i = 0; i < count; i++) {
		if (!is_function(&around[i]))
			continue;
		around[kept++] = around[i];
		if (dwarf_tag(&around[i]) == DW_TAG_subprogram)
			break;
	}
	*functions = around;
	return kept;
}

static bool allocate_parts(struct symbol *s, uint32_t count)
{
	s->parts = calloc(count, sizeof(*s->parts));
	s->count = count;
	return s->parts;
}

static bool fill_from_dwarf(struct model *m, struct symbol *s, Dwarf_Die *cu, uint64_t address)
{
	Dwarf_Die *functions = NULL;
	int count = find_functions(cu, address, &functions);
	bool is_ok = allocate_parts(s, count > 0 ? (uint32_t)count : 1);

	for (int i = 0; is_ok && i < count; i++) {
		s->parts[i].function = die_name(m, &functions[i]);
		s->parts[i].die = functions[i];
		s->parts[i].has_die = true;
		if (i > 0)
			find_call_line(m, cu, &functions[i - 1], &s->parts[i]);
	}
	if (is_ok)
		find_line(m, cu, address, &s->parts[0]);
	free(functions);
	return is_ok;
}

static bool fill(struct model *m, struct image *image, struct symbol *s)
{
	Dwfl_Module *module = image_module(image);
	Dwarf_Addr bias = 0;
	Dwarf *dwarf = module ? dwfl_module_getdwarf(module, &bias) : NULL;
	Dwarf_Die cu;
	bool is_ok;

	if (dwarf && find_cu(image->symbols, dwarf, s->address - bias, &cu))
		is_ok = fill_from_dwarf(m, s, &cu, s->address - bias);
	else
		is_ok = allocate_parts(s, 1);
	if (is_ok && module && !s->parts[s->count - 1].function)
		s->parts[s->count - 1].function = table_name(m, image, s->address);
	return is_ok;
}

static bool has_cache(struct image *image)
{
	if (!image->symbols)
		image->symbols = calloc(1, sizeof(*image->symbols));
	return image->symbols;
}

bool symbol_address(struct image *image, const char *name, uint64_t *address)
{
	struct symtab *table = has_cache(image) ? get_table(image) : NULL;

	return table && symtab_address(table, name, address);
}

const struct symbol *symbol_find(struct model *m, struct image *image, uint64_t address)
{
	if (!has_cache(image))
		return NULL;
	struct symbol **bucket =
		&image->symbols->buckets[(address ^ address >> 8 ^ address >> 16) % BUCKETS];

	for (struct symbol *s = *bucket; s; s = s->next)
		if (s->address == address)
			return s;
	struct symbol *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->address = address;
	if (!fill(m, image, s)) {
		free(s);
		return NULL;
	}
	s->next = *bucket;
	*bucket = s;
	return s;
}

void symbols_free(struct symbol_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct symbol *s = cache->buckets[i], *next; s; s = next) {
			next = s->next;
			free(s->parts);
			free(s);
		}
	}
	symtab_free(cache->table);
	free(cache->ranges);
	free(cache);
}
