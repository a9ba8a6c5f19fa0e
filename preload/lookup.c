/*
 * Symbol look-up in the modules that the loader has mapped: see lookup.h.
 *
 * Facts: ELF gABI (dynamic section, DT_HASH, symbol table), DT_GNU_HASH as glibc's loader reads
 * it (header of four words, bloom filter of words, buckets, chains whose last entry has bit 0 set),
 * versions: bit 15 of a DT_VERSYM entry marks a version that is not the default.
 */
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "preload/lookup.h"

#define HIDDEN_VERSION 0x8000

static struct {
	const struct link_map *first, *own, *last; /* last: NULL before the constructor */
	const struct link_map *libc;
	bool is_late; /* libc stands before us: we were not preloaded */
} modules;

struct table {
	ElfW(Addr) bias;
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *gnu_hash;
	const uint32_t *hash;
	const ElfW(Half) * versions;
	const ElfW(Verdef) * definitions;
	bool wants_data; /* look for a variable, not for a function */
};

static const void *address(const struct link_map *map, ElfW(Addr) value)
{
	/* glibc adds the bias where the section is writable; the vdso's never is. */
	return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

static void read_dynamic(const struct link_map *map, struct table *t)
{
	*t = (struct table){.bias = map->l_addr};
	for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
		const void *at = address(map, d->d_un.d_ptr);

		switch (d->d_tag) {
		case DT_SYMTAB:
			t->symbols = at;
			break;
		case DT_STRTAB:
			t->strings = at;
			break;
		case DT_HASH:
			t->hash = at;
			break;
		case DT_GNU_HASH:
			t->gnu_hash = at;
			break;
		case DT_VERSYM:
			t->versions = at;
			break;
		case DT_VERDEF:
			t->definitions = at;
			break;
		default:
			break;
		}
	}
}

static bool is_function(const ElfW(Sym) *symbol)
{
	int type = ELF64_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC);
}

static bool is_match(const struct table *t, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &t->symbols[index];
	bool is_data = symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT;

	if (is_data != t->wants_data || (!is_data && !is_function(symbol)))
		return false;
	if (t->versions && (t->versions[index] & HIDDEN_VERSION))
		return false;
	return strcmp(t->strings + symbol->st_name, name) == 0;
}

static uint32_t find_gnu(const struct table *t, const char *name)
{
	const uint32_t *head = t->gnu_hash;
	const uint32_t *buckets = head + 4 + head[2] * (sizeof(ElfW(Addr)) / 4);
	const uint32_t *chains = buckets + head[0];
	uint32_t hash = 5381, index;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	for (index = buckets[hash % head[0]]; index >= head[1] && index; index++) {
		uint32_t entry = chains[index - head[1]];

		if ((entry | 1) == (hash | 1) && is_match(t, index, name))
			return index;
		if (entry & 1)
			break;
	}
	return 0;
}

static uint32_t find_sysv(const struct table *t, const char *name)
{
	const uint32_t *buckets = t->hash + 2, *chains = buckets + t->hash[0];
	uint32_t hash = 0;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	for (uint32_t i = buckets[hash % t->hash[0]]; i; i = chains[i])
		if (is_match(t, i, name))
			return i;
	return 0;
}

static uint32_t find_index(const struct table *t, const char *name)
{
	if (!t->symbols || !t->strings)
		return 0;
	if (t->gnu_hash && t->gnu_hash[0])
		return find_gnu(t, name);
	return t->hash && t->hash[0] ? find_sysv(t, name) : 0;
}

static void *find_in(const struct link_map *map, const char *name)
{
	struct table t;
	uint32_t index;
	uintptr_t at;

	read_dynamic(map, &t);
	index = find_index(&t, name);
	if (!index)
		return NULL;
	at = t.bias + t.symbols[index].st_value;
	if (ELF64_ST_TYPE(t.symbols[index].st_info) == STT_GNU_IFUNC)
		at = ((uintptr_t(*)(void))at)();
	return (void *)at;
}

/* The kernel's own module is in the loader's list, but not in the scope of any look-up. */
static bool is_searched(const struct link_map *map)
{
	return map != modules.own && strncmp(map->l_name, "linux-vdso", 10) != 0 &&
	       strncmp(map->l_name, "linux-gate", 10) != 0;
}

/*
 * LD_PRELOAD puts us before libc; a library that is opened by a running program comes last. (One that is
 * linked behind libc is as good as not there: nobody's calls lead to it. One in a namespace of its own is not
 * in the list at all.)
 */
static void find_modules(void)
{
	const struct link_map *m;

	if (modules.first)
		return;
	for (m = _r_debug.r_map; m && m->l_ld != _DYNAMIC; m = m->l_next)
		if (!modules.libc && is_searched(m) && find_in(m, "gnu_get_libc_version"))
			modules.libc = m;
	modules.own = m;
	modules.is_late = !m || (modules.libc && m != _r_debug.r_map);
	modules.first = _r_debug.r_map;
}

static void *find_between(const struct link_map *from, const struct link_map *end, const char *name)
{
	void *found = NULL;

	for (const struct link_map *m = from; m && m != end && !found; m = m->l_next) {
		if (is_searched(m))
			found = find_in(m, name);
		if (m == modules.last)
			break;
	}
	return found;
}

void *lookup_next(const char *name)
{
	void *found;

	find_modules();
	/* Behind libc are libraries that may be closed; nobody's call of a libc function leads there. */
	if (modules.is_late)
		return modules.libc ? find_between(modules.first, modules.libc->l_next, name) : NULL;
	found = modules.own ? find_between(modules.own->l_next, NULL, name) : NULL;
	return found ? found : find_between(modules.first, modules.own, name);
}

void lookup_init(void)
{
	const struct link_map *m;

	find_modules();
	for (m = modules.first; m && m->l_next;)
		m = m->l_next;
	modules.last = m;
}

bool lookup_is_late(void)
{
	find_modules();
	return modules.is_late;
}

const struct link_map *lookup_own_module(void)
{
	find_modules();
	return modules.own;
}

/* What DT_GNU_HASH covers are the symbols that are defined; the last one ends the highest chain. */
void lookup_each_exported(void (*each)(const char *name, void *function))
{
	const uint32_t *chains;
	struct table t;
	uint32_t last = 0;

	find_modules();
	read_dynamic(modules.own, &t);
	if (!t.gnu_hash)
		return;
	chains = t.gnu_hash + 4 + t.gnu_hash[2] * (sizeof(ElfW(Addr)) / 4);
	for (uint32_t i = 0; i < t.gnu_hash[0]; i++)
		last = chains[i] > last ? chains[i] : last;
	chains += t.gnu_hash[0];
	while (last && !(chains[last - t.gnu_hash[1]] & 1))
		last++;
	for (uint32_t i = t.gnu_hash[1]; i <= last; i++)
		if (is_function(&t.symbols[i]))
			each(t.strings + t.symbols[i].st_name,
			     (void *)(t.bias + t.symbols[i].st_value));
}

/* Any version of the name; the chain of its hash has them all. */
static bool has_other(const struct table *t, const char *name, uintptr_t function)
{
	const uint32_t *head = t->gnu_hash;
	const uint32_t *chains = head + 4 + head[2] * (sizeof(ElfW(Addr)) / 4) + head[0];
	const uint32_t *buckets = chains - head[0];
	uint32_t hash = 5381, index;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	for (index = buckets[hash % head[0]]; index >= head[1] && index; index++) {
		const ElfW(Sym) *symbol = &t->symbols[index];

		if ((chains[index - head[1]] | 1) == (hash | 1) && is_function(symbol) &&
		    strcmp(t->strings + symbol->st_name, name) == 0 &&
		    t->bias + symbol->st_value != function)
			return true;
		if (chains[index - head[1]] & 1)
			break;
	}
	return false;
}

bool lookup_is_libc_only(const char *name, const void *function)
{
	struct table t;

	if (!modules.libc || find_in(modules.libc, name) != function)
		return false;
	read_dynamic(modules.libc, &t);
	return t.gnu_hash && t.gnu_hash[0] && !has_other(&t, name, (uintptr_t)function);
}

/* Of the default version of the name in that module; NULL where it has none. */
static const char *version_in(const struct link_map *map, const char *name)
{
	const ElfW(Verdef) *d;
	struct table t;
	uint32_t index;

	read_dynamic(map, &t);
	index = find_index(&t, name);
	for (d = t.definitions; index && t.versions && d;) {
		if (d->vd_ndx == t.versions[index])
			return t.strings + ((const ElfW(Verdaux) *)((const char *)d + d->vd_aux))->vda_name;
		d = d->vd_next ? (const void *)((const char *)d + d->vd_next) : NULL;
	}
	return NULL;
}

const char *lookup_libc_version(const char *name)
{
	return modules.libc ? version_in(modules.libc, name) : NULL;
}

void *lookup_first(const char *name, bool *is_only, const char **version)
{
	find_modules();
	if (!modules.own || find_in(modules.own, name))
		return NULL;
	for (const struct link_map *m = modules.first; m; m = m->l_next) {
		void *function = is_searched(m) ? find_in(m, name) : NULL;
		struct table t;

		if (!function)
			continue;
		read_dynamic(m, &t);
		*is_only = t.gnu_hash && t.gnu_hash[0] && !has_other(&t, name, (uintptr_t)function);
		*version = version_in(m, name);
		return function;
	}
	return NULL;
}

void *lookup_libc(const char *name)
{
	return modules.libc ? find_in(modules.libc, name) : NULL;
}

void *lookup_variable(const char *name, uint64_t *size)
{
	find_modules();
	for (const struct link_map *m = modules.first; m; m = m->l_next) {
		struct table t;
		uint32_t index;

		if (!is_searched(m))
			continue;
		read_dynamic(m, &t);
		t.wants_data = true;
		index = find_index(&t, name);
		if (index) {
			*size = t.symbols[index].st_size;
			return (void *)(t.bias + t.symbols[index].st_value);
		}
	}
	return NULL;
}
