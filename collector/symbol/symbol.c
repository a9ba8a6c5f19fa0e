#include "config.h"

#include "collector/symbol/symbol.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "collector/symbol/scope.h"
#include "collector/symbol/symtab.h"
#include "collector/symbol/unit.h"

#ifdef HAVE_DEMANGLE
#include <libiberty/demangle.h>
#endif

#define BUCKETS 256

struct symbol_cache {
	struct symbol *buckets[BUCKETS];
	struct symtab *table;
	struct units units;
};

/* --- names ------------------------------------------------------------------------------------ */

const char *symbol_plain_name(struct model *m, const char *name)
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
		return symbol_plain_name(m, name);
	/* Functions that no other file sees have no mangled name, in C++ neither. */
	if (dwarf_attr_integrate(die, DW_AT_name, &attribute))
		name = dwarf_formstring(&attribute);
	scope_prefix(die, scope, sizeof(scope));
	return name && *scope ? model_stringf(m, "%s%s", scope, name)
	       : name         ? symbol_plain_name(m, name)
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

	return name ? symbol_plain_name(m, name) : NULL;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_joined(const char *path, const char *folder, const char *file)
{
	size_t length = strlen(folder);

	return !strncmp(path, folder, length) && path[length] == '/' &&
	       !strcmp(path + length + 1, file);
}

/*
 * As the compiler was given it. Line tables have names from the folder of compilation on, which
 * libdw joins with it: that is taken off again, but for a compiler that was given an absolute name.
 */
static const char *source_name(struct model *m, Dwarf_Die *cu, const char *file)
{
	Dwarf_Attribute attribute;
	const char *folder = dwarf_formstring(dwarf_attr(cu, DW_AT_comp_dir, &attribute));
	const char *given = dwarf_diename(cu);
	bool is_absolute = given && given[0] == '/';
	size_t length = folder && folder[0] == '/' ? strlen(folder) : 0;

	if (!file)
		return NULL;
	if (length && is_absolute && is_joined(given, folder, file))
		file = given;
	else if (length && !is_absolute && !strncmp(file, folder, length) && file[length] == '/')
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
static void find_call_line(struct model *m, struct unit *unit, Dwarf_Die *inlined,
			   struct symbol_part *part)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Files *files;
	size_t count;

	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number))
		part->line = (int)number;
	if (!dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &number) &&
	    !dwarf_getsrcfiles(&unit->tree, &files, &count) && number < count)
		part->file = source_name(m, &unit->lines, dwarf_filesrc(files, number, NULL, NULL));
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

static bool fill_from_dwarf(struct model *m, struct symbol *s, struct unit *unit, uint64_t address)
{
	Dwarf_Die *functions = NULL;
	int count = find_functions(&unit->tree, address, &functions);
	bool is_ok = allocate_parts(s, count > 0 ? (uint32_t)count : 1);

	for (int i = 0; is_ok && i < count; i++) {
		s->parts[i].function = die_name(m, &functions[i]);
		s->parts[i].die = functions[i];
		s->parts[i].has_die = true;
		if (i > 0)
			find_call_line(m, unit, &functions[i - 1], &s->parts[i]);
	}
	if (is_ok)
		find_line(m, &unit->lines, address, &s->parts[0]);
	free(functions);
	return is_ok;
}

static bool fill(struct model *m, struct image *image, struct symbol *s)
{
	Dwfl_Module *module = image_module(image);
	Dwarf_Addr bias = 0;
	Dwarf *dwarf = module ? dwfl_module_getdwarf(module, &bias) : NULL;
	struct unit unit;
	bool is_ok;

	if (dwarf && units_find(&image->symbols->units, image, dwarf, s->address - bias, &unit))
		is_ok = fill_from_dwarf(m, s, &unit, s->address - bias);
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
	units_done(&cache->units);
	free(cache);
}

const char *symbol_variable(struct model *m, struct image *image, uint64_t address,
			    uint64_t *offset)
{
	Dwfl_Module *module = image_module(image);
	const char *name = module ? symtab_variable(module, address, offset) : NULL;

	return name ? symbol_plain_name(m, name) : NULL;
}
