/* The file of a module: which one is mapped, by its build-id, and opening it; see module.h. */
#include "config.h"

#include <string.h>

#include "collector/core/core.h"
#include "collector/unwind/module.h"

/* The build-id among the notes in page[from..to), or 0. */
static uint32_t find_build_id(const char *page, size_t from, size_t to, uint8_t *id)
{
	while (from + sizeof(Elf64_Nhdr) + 4 <= to) {
		Elf64_Nhdr note;

		memcpy(&note, page + from, sizeof(note));
		size_t name = from + sizeof(note), data = name + ((note.n_namesz + 3u) & ~3u);

		if (note.n_namesz > to || note.n_descsz > to || data + note.n_descsz > to)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(page + name, "GNU", 4) && note.n_descsz <= IMAGE_BUILD_ID_MAX) {
			memcpy(id, page + data, note.n_descsz);
			return note.n_descsz;
		}
		from = data + ((note.n_descsz + 3u) & ~3u);
	}
	return 0;
}

/*
 * What the process really has mapped: the first page of a file nearly always holds its notes.
 * Without it a file that was replaced since could pass for the mapped one.
 */
static bool read_mapped(const struct modules *modules, uint64_t address, void *data, size_t size)
{
	if (modules->core)
		return core_read(modules->core, address, data, size);
	return modules->pid && !proc_is_recorded(modules->proc) &&
	       proc_read_memory(modules->proc, modules->pid, address, data, size) == (ssize_t)size;
}

static void probe_build_id(const struct modules *modules, struct module *module)
{
	char page[4096];
	Elf64_Ehdr header;

	if (module->map_offset || !read_mapped(modules, module->map_start, page, sizeof(page)))
		return;
	memcpy(&header, page, sizeof(header));
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	for (size_t i = 0; i < header.e_phnum && !module->build_id_size; i++) {
		size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
		Elf64_Phdr ph;

		if (at > sizeof(page) - sizeof(ph))
			return;
		memcpy(&ph, page + at, sizeof(ph));
		if (ph.p_type == PT_NOTE && ph.p_offset < sizeof(page) &&
		    ph.p_filesz <= sizeof(page) - ph.p_offset)
			module->build_id_size = find_build_id(
				page, ph.p_offset, ph.p_offset + ph.p_filesz, module->build_id);
	}
}

/* Variables that begin as zero are memory without a file: no list of mappings shows whose. */
static void cover_image(const struct modules *modules, struct module *module)
{
	const struct module *next = module + 1;
	uint64_t end = module->bias + module->image->high;

	if (end > module->end && (next == modules->items + modules->count || end <= next->start))
		module->end = end;
}

static struct image_request request_of(const struct modules *modules, const struct module *module)
{
	return (struct image_request){
		.path = module->path,
		.file = module->file,
		.core = modules->core,
		.build_id = module->build_id,
		.build_id_size = module->build_id_size,
		.pid = modules->pid,
		.start = module->map_start,
		.end = module->map_end,
	};
}

bool modules_are_open(const struct modules *modules, const uint64_t *pcs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct module *module = modules_find(modules, pcs[i] - 1);
		if (!module)
			return false;
		if (module->image || module->is_shim)
			continue;
		const struct image_request r = request_of(modules, module);

		if (!module->has_bias || !images_has(modules->images, &r))
			return false;
	}
	return true;
}

struct image *modules_image(const struct modules *modules, struct module *module)
{
	if (!module->image && !module->has_bias && !module->build_id_size)
		probe_build_id(modules, module);
	const struct image_request r = request_of(modules, module);
	uint64_t address;

	if (!module->image)
		module->image = images_get(modules->images, &r);
	if (module->image && !module->has_bias &&
	    image_address_of_offset(module->image, module->map_offset, &address)) {
		module->bias = module->map_start - address;
		module->has_bias = true;
		cover_image(modules, module);
	}
	return module->image;
}
