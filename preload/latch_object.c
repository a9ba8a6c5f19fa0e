/*
 * Objects and their references: see latch_object.h.
 *
 * Facts: ELF gABI (dynamic section), the processor's supplement (types of relocations). A value that
 * points into the object's own code is a call that was not bound yet: it leads to the loader's resolver.
 */
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "preload/latch_object.h"
#include "preload/lookup.h"
#include "preload/real.h"
#include "preload/sys.h"

/* _dl_find_object() answers for an object only when it has been relocated. */
static bool is_ready(struct latch_object *o)
{
	struct dl_find_object found;

	if (!real()->_dl_find_object ||
	    real()->_dl_find_object((void *)(uintptr_t)o->map->l_ld, &found) != 0 ||
	    found.dlfo_link_map != o->map)
		return false;
	o->start = (uintptr_t)found.dlfo_map_start;
	o->end = (uintptr_t)found.dlfo_map_end;
	return true;
}

/* The loader has its own functions for itself, and its addresses are not ours to change. */
static bool is_loader(const struct link_map *map)
{
	return strstr(map->l_name, "/ld-linux") || (map->l_addr && map->l_addr == getauxval(AT_BASE));
}

static const void *address(const struct link_map *map, ElfW(Addr) value)
{
	return (const void *)(value < map->l_addr ? value + map->l_addr : value);
}

static void read_entry(struct latch_object *o, const ElfW(Dyn) *d)
{
	switch (d->d_tag) {
	case DT_SYMTAB:
		o->symbols = address(o->map, d->d_un.d_ptr);
		break;
	case DT_STRTAB:
		o->strings = address(o->map, d->d_un.d_ptr);
		break;
	case DT_RELA:
		o->relocations = address(o->map, d->d_un.d_ptr);
		break;
	case DT_RELASZ:
		o->relocation_count = d->d_un.d_val / sizeof(ElfW(Rela));
		break;
	case DT_JMPREL:
		o->calls = address(o->map, d->d_un.d_ptr);
		break;
	case DT_VERSYM:
		o->versions = address(o->map, d->d_un.d_ptr);
		break;
	case DT_VERNEED:
		o->needed = address(o->map, d->d_un.d_ptr);
		break;
	case DT_PLTRELSZ:
		o->call_count = d->d_un.d_val / sizeof(ElfW(Rela));
		break;
	default:
		break;
	}
}

bool latch_object_open(struct latch_object *o, const struct link_map *map)
{
	*o = (struct latch_object){.map = map};
	if (map == lookup_own_module() || !map->l_ld || is_loader(map) ||
	    strncmp(map->l_name, "linux-vdso", 10) == 0 || !is_ready(o))
		return false;
	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
		read_entry(o, d);
	return o->symbols && o->strings;
}

/* A word that holds nothing but the function's address. */
static bool is_plain(const ElfW(Rela) *r)
{
	switch (ELF64_R_TYPE(r->r_info)) {
	case ARCH_RELOCATION_CALL:
	case ARCH_RELOCATION_GOT:
		return true;
	case ARCH_RELOCATION_WORD:
		return r->r_addend == 0;
	default:
		return false;
	}
}

static void read_relocations(const struct latch_object *o, const ElfW(Rela) *first, size_t count,
			     latch_reference_fn *each, void *data)
{
	for (const ElfW(Rela) *r = first; first && r < first + count; r++) {
		const ElfW(Sym) *symbol = &o->symbols[ELF64_R_SYM(r->r_info)];
		uintptr_t at = o->map->l_addr + r->r_offset;
		struct latch_reference reference = {
			.slot = (uintptr_t *)at,
			.name = o->strings + symbol->st_name,
			.is_call = ELF64_R_TYPE(r->r_info) == ARCH_RELOCATION_CALL,
			.is_external = symbol->st_shndx == SHN_UNDEF,
			.symbol = (uint32_t)ELF64_R_SYM(r->r_info),
		};

		if (!ELF64_R_SYM(r->r_info) || !is_plain(r) || at % sizeof(at) || at < o->start ||
		    at + sizeof(at) > o->end)
			continue;
		each(data, o, &reference);
	}
}

void latch_object_references(const struct latch_object *o, latch_reference_fn *each, void *data)
{
	read_relocations(o, o->calls, o->call_count, each, data);
	read_relocations(o, o->relocations, o->relocation_count, each, data);
}

/* Entries are chained by offsets; 0 ends a chain. */
const char *latch_object_version(const struct latch_object *o, uint32_t symbol)
{
	const ElfW(Verneed) *need = o->needed;
	ElfW(Half) wanted;

	if (!o->versions || !need)
		return NULL;
	wanted = o->versions[symbol] & 0x7fff;
	for (;;) {
		const ElfW(Vernaux) *version = (const void *)((const char *)need + need->vn_aux);

		for (ElfW(Half) i = 0; i < need->vn_cnt; i++) {
			if ((version->vna_other & 0x7fff) == wanted)
				return o->strings + version->vna_name;
			version = (const void *)((const char *)version + version->vna_next);
		}
		if (!need->vn_next)
			return NULL;
		need = (const void *)((const char *)need + need->vn_next);
	}
}
