#include "config.h"

#include "collector/symbol/symtab.h"

#include <stdlib.h>
#include <string.h>

#define SIZELESS_MAX 4096 /* bytes after a sizeless symbol that still may belong to it */

struct entry {
	uint64_t value, size;
	const char *name;
	uint8_t is_global, underscores;
};

struct symtab {
	struct entry *entries; /* by value; of one value the best name last */
	uint64_t *reach;       /* the highest end among entries[0..i] */
	uint32_t count;
};

static int compare_entries(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	if (!a->size != !b->size)
		return a->size ? 1 : -1;
	if (a->is_global != b->is_global)
		return a->is_global ? 1 : -1;
	if (a->underscores != b->underscores)
		return a->underscores > b->underscores ? -1 : 1;
	size_t length_a = strlen(a->name), length_b = strlen(b->name);

	if (length_a != length_b)
		return length_a > length_b ? -1 : 1;
	return strcmp(b->name, a->name);
}

static bool is_wanted(const GElf_Sym *symbol, const char *name, GElf_Word section)
{
	int type = GELF_ST_TYPE(symbol->st_info);

	/* $x, $d and the like mark code and data on some processors. */
	return name && name[0] && name[0] != '$' && section != SHN_UNDEF && section != SHN_ABS &&
	       section != (GElf_Word)-1 &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

static void fill(struct symtab *t, Dwfl_Module *module, int count)
{
	for (int i = 0; i < count; i++) {
		GElf_Word section = SHN_UNDEF;
		GElf_Addr value;
		GElf_Sym symbol;
		const char *name =
			dwfl_module_getsym_info(module, i, &symbol, &value, &section, NULL, NULL);

		if (!is_wanted(&symbol, name, section))
			continue;
		struct entry *e = &t->entries[t->count++];

		*e = (struct entry){.value = value, .size = symbol.st_size, .name = name};
		e->is_global = GELF_ST_BIND(symbol.st_info) != STB_LOCAL;
		e->underscores = (uint8_t)strspn(name, "_");
	}
}

struct symtab *symtab_new(Dwfl_Module *module)
{
	struct symtab *t = calloc(1, sizeof(*t));
	int count = dwfl_module_getsymtab(module);

	if (count < 0)
		count = 0;
	if (!t)
		return NULL;
	t->entries = calloc((size_t)count + 1, sizeof(*t->entries));
	t->reach = calloc((size_t)count + 1, sizeof(*t->reach));
	if (!t->entries || !t->reach) {
		symtab_free(t);
		return NULL;
	}
	fill(t, module, count);
	qsort(t->entries, t->count, sizeof(*t->entries), compare_entries);
	for (uint32_t i = 0; i < t->count; i++) {
		uint64_t end = t->entries[i].value + t->entries[i].size;
		t->reach[i] = i && t->reach[i - 1] > end ? t->reach[i - 1] : end;
	}
	return t;
}

void symtab_free(struct symtab *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t->reach);
	free(t);
}

/* How many entries begin at or before the address. */
static uint32_t count_until(const struct symtab *t, uint64_t address)
{
	uint32_t low = 0, high = t->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->entries[middle].value <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const char *symtab_find(const struct symtab *t, uint64_t address)
{
	uint32_t until = count_until(t, address);
	const struct entry *last = until ? &t->entries[until - 1] : NULL;

	/* The nearest that covers it; `reach` says when no earlier one can. */
	for (uint32_t i = until; i > 0 && t->reach[i - 1] > address; i--)
		if (address - t->entries[i - 1].value < t->entries[i - 1].size)
			return t->entries[i - 1].name;
	if (last && !last->size && address - last->value < SIZELESS_MAX)
		return last->name;
	return NULL;
}

/* How well an entry answers to a name: 0 not at all; a local one, an old version, the one that
 * programs are linked to. */
static int match(const struct entry *e, const char *name, size_t length)
{
	const char *rest = e->name + length;

	if (!e->size || strncmp(e->name, name, length) || (*rest && *rest != '@'))
		return 0;
	if (!e->is_global)
		return 1;
	return *rest == '@' && rest[1] != '@' ? 2 : 3;
}

bool symtab_address(const struct symtab *t, const char *name, uint64_t *address)
{
	size_t length = strlen(name);
	bool is_ambiguous = true;
	uint64_t found = 0;
	int best = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		int rank = match(&t->entries[i], name, length);

		if (!rank || rank < best)
			continue;
		is_ambiguous = rank == best && (is_ambiguous || found != t->entries[i].value);
		best = rank;
		found = t->entries[i].value;
	}
	if (is_ambiguous)
		return false;
	*address = found;
	return true;
}

const char *symtab_variable(Dwfl_Module *module, uint64_t address, uint64_t *offset)
{
	int count = dwfl_module_getsymtab(module);

	for (int i = 0; i < count; i++) {
		GElf_Addr value;
		GElf_Sym symbol;
		const char *name =
			dwfl_module_getsym_info(module, i, &symbol, &value, NULL, NULL, NULL);

		if (!name || !name[0] || GELF_ST_TYPE(symbol.st_info) != STT_OBJECT ||
		    address < value || address - value >= symbol.st_size)
			continue;
		*offset = address - value;
		return name;
	}
	return NULL;
}
