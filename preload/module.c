/*
 * The modules of the process, so that its addresses can be named when it is dead: see shim.h.
 * glibc's _dl_find_object (2.35) answers without a lock, from a handler too; what glibc lacks it is
 * asked once, in the constructor, with dl_iterate_phdr.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/cfi.h"
#include "preload/module.h"
#include "preload/real.h"
#include "preload/segment_file.h"
#include "preload/shim.h"
#include "preload/sys.h"
#include "preload/text.h"

#define BUILD_ID_MAX 32

struct module {
	uint64_t start, end, bias;
	const char *path;
	const ElfW(Phdr) *phdrs;
	size_t phdr_count;
};

/* --- what a module is ---------------------------------------------------------------------------- */

/* The loader's name of the program itself is empty; a relative one counts from where we are now. */
static void absolute_path(const char *name, char *path, size_t size)
{
	struct text text;
	long length = 0;

	if (!*name)
		length = sys_readlink("/proc/self/exe", path, size - 1);
	else if (*name != '/' && strchr(name, '/'))
		length = sys_readlink("/proc/self/cwd", path, size - 1);
	length = length < 0 ? 0 : length;
	text_init(&text, path + length, size - (size_t)length);
	if (length && *name)
		text_char(&text, '/');
	text_string(&text, name);
}

static uint32_t build_id_in(const char *notes, size_t size, uint8_t *id)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)notes;
		size_t name = (note->n_namesz + 3) & ~3U, total;

		total = sizeof(*note) + name + ((note->n_descsz + 3) & ~3U);
		if (total > size)
			break;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
		    memcmp(note + 1, "GNU", 4) == 0 && note->n_descsz <= BUILD_ID_MAX) {
			memcpy(id, (const char *)(note + 1) + name, note->n_descsz);
			return note->n_descsz;
		}
		notes += total;
		size -= total;
	}
	return 0;
}

static uint32_t find_build_id(const struct module *module, uint8_t *id)
{
	for (size_t i = 0; i < module->phdr_count; i++) {
		const ElfW(Phdr) *phdr = &module->phdrs[i];
		uint32_t size;

		if (phdr->p_type != PT_NOTE)
			continue;
		size = build_id_in((const char *)(module->bias + phdr->p_vaddr), phdr->p_memsz, id);
		if (size)
			return size;
	}
	return 0;
}

/* --- the table ------------------------------------------------------------------------------------ */

static bool is_noted(uint64_t start, uint64_t end)
{
	struct seg_header *header = segment_get();

	for (uint32_t i = 1; i <= header->tables[SEG_MODULES].used; i++) {
		const struct seg_module *record = segment_record(SEG_MODULES, i);

		if (record->start == start && record->end == end)
			return true;
	}
	return false;
}

static void append(const struct module *module)
{
	struct seg_module *record;
	char path[1024];

	if (is_noted(module->start, module->end) ||
	    !segment_append(SEG_MODULES, (void **)&record))
		return;
	absolute_path(module->path, path, sizeof(path));
	record->start = module->start;
	record->end = module->end;
	record->bias = module->bias;
	record->build_id_size = find_build_id(module, record->build_id);
	record->path = segment_string(path);
	segment_publish(&record->seq);
}

/* The range that the loader keeps for the module: from its first to behind its last page. */
static int note_one(struct dl_phdr_info *info, size_t size, void *unused)
{
	struct module module = {
		.start = UINT64_MAX,
		.bias = info->dlpi_addr,
		.path = info->dlpi_name ? info->dlpi_name : "",
		.phdrs = info->dlpi_phdr,
		.phdr_count = info->dlpi_phnum,
	};

	(void)size;
	(void)unused;
	for (size_t i = 0; i < module.phdr_count; i++) {
		uint64_t start = module.bias + module.phdrs[i].p_vaddr;

		if (module.phdrs[i].p_type != PT_LOAD)
			continue;
		start &= ~UINT64_C(4095);
		if (start < module.start)
			module.start = start;
		if (module.bias + module.phdrs[i].p_vaddr + module.phdrs[i].p_memsz > module.end)
			module.end = module.bias + module.phdrs[i].p_vaddr + module.phdrs[i].p_memsz;
	}
	module.end = (module.end + 4095) & ~UINT64_C(4095);
	if (module.end > module.start)
		append(&module);
	return 0;
}

void module_init(void)
{
	real()->dl_iterate_phdr(note_one, NULL);
}

static bool find_object(uint64_t pc, struct dl_find_object *object)
{
	return real_functions._dl_find_object &&
	       real_functions._dl_find_object((void *)(uintptr_t)pc, object) == 0;
}

bool module_bounds(uint64_t pc, uint64_t *start, uint64_t *end)
{
	struct dl_find_object object;

	if (!find_object(pc, &object))
		return false;
	*start = (uint64_t)(uintptr_t)object.dlfo_map_start;
	*end = (uint64_t)(uintptr_t)object.dlfo_map_end;
	return true;
}

/* Program headers usually lie in the first page that is mapped, behind the file's header. */
static void find_phdrs(struct module *module)
{
	const ElfW(Ehdr) *elf = (const void *)(uintptr_t)module->start;

	if (!sys_is_readable(module->start) || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf->e_phoff + elf->e_phnum * sizeof(ElfW(Phdr)) > 4096)
		return;
	module->phdrs = (const void *)(uintptr_t)(module->start + elf->e_phoff);
	module->phdr_count = elf->e_phnum;
}

void module_note(uint64_t pc)
{
	struct dl_find_object object;
	struct module module = { 0 };
	const struct seg_module *record;

	for (uint32_t i = 1; (record = segment_record(SEG_MODULES, i)) != NULL; i++)
		if (record->start <= pc && pc < record->end)
			return;
	if (!find_object(pc, &object) || !object.dlfo_link_map)
		return;
	module.start = (uintptr_t)object.dlfo_map_start & ~UINT64_C(4095);
	module.end = ((uintptr_t)object.dlfo_map_end + 4095) & ~UINT64_C(4095);
	module.bias = object.dlfo_link_map->l_addr;
	module.path = object.dlfo_link_map->l_name ? object.dlfo_link_map->l_name : "";
	find_phdrs(&module);
	append(&module);
}

void module_inherit(struct seg_header *fresh, struct seg_header *parent)
{
	const struct seg_module *old;
	struct seg_module *record;
	uint32_t seq;

	for (uint32_t i = 1; (old = segment_record_of(parent, SEG_MODULES, i)) != NULL; i++) {
		if (!old->seq || old->seq & 1 || !segment_append_to(fresh, SEG_MODULES, (void **)&record))
			continue;
		seq = record->seq;
		*record = *old;
		record->seq = seq;
		record->path = segment_string_to(fresh, segment_text_of(parent, old->path));
		segment_publish(&record->seq);
	}
}

uint64_t module_function_start(uint64_t pc)
{
	struct dl_find_object object;
	struct cfi_function function;

	if (!find_object(pc, &object) || !cfi_find(&object, pc, &function))
		return 0;
	return function.start;
}
