/*
 * Which files were mapped, when the core does not say so (no NT_FILE: old kernels, other tools):
 * from the loader's list in the process's own memory, and from the ELF headers that stand in the
 * first page of each object.
 *
 * Facts: <link.h>, struct r_debug and struct link_map; DT_DEBUG of the program's dynamic section
 * points to the former.
 */
#include "config.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/core.h"

#define OBJECTS_MAX 4096
#define HEADERS_MAX 64
#define DYNAMIC_MAX 256 /* entries of a dynamic section */
#define PATH_SIZE 4096
#define PAGE UINT64_C(4096)

struct object {
	uint64_t bias;
	uint32_t count;
	Elf64_Phdr headers[HEADERS_MAX];
};

/* The program headers behind the ELF header at `address`; bias is left alone. */
static bool read_object(const struct core *core, uint64_t address, struct object *o)
{
	Elf64_Ehdr eh;

	if (!core_read(core, address, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_phentsize != sizeof(o->headers[0]) ||
	    eh.e_phnum > HEADERS_MAX)
		return false;
	o->count = eh.e_phnum;
	return core_read(core, address + eh.e_phoff, o->headers, o->count * sizeof(o->headers[0]));
}

static bool add_map(struct core *core, const struct core_map *map)
{
	/* Doubling: at powers of two the array is full. */
	if (!(core->map_count & (core->map_count - 1))) {
		size_t room = core->map_count ? 2 * (size_t)core->map_count : 1;
		struct core_map *grown = reallocarray(core->maps, room, sizeof(*grown));

		if (!grown)
			return false;
		core->maps = grown;
	}
	core->maps[core->map_count++] = *map;
	return true;
}

static bool add_object(struct core *core, const struct object *o, const char *path)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const Elf64_Phdr *ph = &o->headers[i];
		uint64_t start = o->bias + ph->p_vaddr;
		struct core_map map = {start & -PAGE, (start + ph->p_memsz + PAGE - 1) & -PAGE,
				       ph->p_offset & -PAGE, path};

		if (ph->p_type == PT_LOAD && map.start < map.end && !add_map(core, &map))
			return false;
	}
	return true;
}

/* The program itself: its headers are in memory at AT_PHDR, right behind its ELF header. */
static bool find_program(const struct core *core, struct object *o)
{
	uint64_t page = core->auxv.phdr & -PAGE;

	if (!core->auxv.phdr || !read_object(core, page, o))
		return false;
	for (uint32_t i = 0; i < o->count; i++) {
		if (o->headers[i].p_type != PT_PHDR)
			continue;
		o->bias = core->auxv.phdr - o->headers[i].p_vaddr;
		return true;
	}
	return false;
}

/* The first entry of the loader's list, 0 if there is none (a static program). */
static uint64_t find_list(const struct core *core, const struct object *program)
{
	uint64_t at = 0, list = 0;
	Elf64_Dyn entry;

	for (uint32_t i = 0; i < program->count; i++)
		if (program->headers[i].p_type == PT_DYNAMIC)
			at = program->bias + program->headers[i].p_vaddr;
	for (int i = 0; at && i < DYNAMIC_MAX; i++, at += sizeof(entry)) {
		if (!core_read(core, at, &entry, sizeof(entry)) || entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == DT_DEBUG)
			return core_read(core, entry.d_un.d_ptr + offsetof(struct r_debug, r_map),
					 &list, sizeof(list))
				       ? list
				       : 0;
	}
	return 0;
}

static char *copy_path(struct core *core, uint64_t address)
{
	char path[PATH_SIZE];
	char *copy;

	if (!core_read_text(core, address, path, sizeof(path)) || path[0] != '/')
		return NULL;
	copy = core_alloc(core, strlen(path) + 1);
	return copy ? strcpy(copy, path) : NULL;
}

static int compare_maps(const void *x, const void *y)
{
	const struct core_map *a = x, *b = y;

	return (a->start > b->start) - (a->start < b->start);
}

void core_read_link_map(struct core *core)
{
	struct object program = {0}, o = {0};
	struct link_map entry;
	bool has_room = true;

	if (!find_program(core, &program))
		return;
	const char *path = copy_path(core, core->auxv.execfn);

	has_room = add_object(core, &program, path ? path : "");
	uint64_t at = find_list(core, &program);

	for (int i = 0; i < OBJECTS_MAX && at && has_room; i++) {
		if (!core_read(core, at, &entry, sizeof(entry)))
			break;
		at = (uintptr_t)entry.l_next;
		o.bias = entry.l_addr;
		path = copy_path(core, (uintptr_t)entry.l_name);
		if (path && read_object(core, o.bias, &o))
			has_room = add_object(core, &o, path);
	}
	if (core->map_count)
		qsort(core->maps, core->map_count, sizeof(*core->maps), compare_maps);
}
