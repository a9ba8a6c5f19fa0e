#include "config.h"

#include "collector/unwind/module.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/core/core.h"

#define CORE_MODULES_MAX 4096
#define VDSO_PATH "[vdso]"
#define SHIM_NAME "liblockjam.so"

static bool is_shim_path(const char *path)
{
	const char *base = strrchr(path, '/');

	return !strncmp(base ? base + 1 : path, SHIM_NAME, strlen(SHIM_NAME));
}

static struct module *add(struct modules *modules)
{
	if (modules->count == modules->room) {
		uint32_t room = modules->room ? modules->room * 2 : 32;
		struct module *grown = reallocarray(modules->items, room, sizeof(*grown));
		if (!grown)
			return NULL;
		modules->items = grown;
		modules->room = room;
	}
	struct module *m = &modules->items[modules->count++];

	memset(m, 0, sizeof(*m));
	return m;
}

static int load_segment(struct modules *modules, struct segment *segment)
{
	uint32_t count = segment_count(segment, SEG_MODULES);

	for (uint32_t i = 1; i <= count; i++) {
		struct seg_module record;

		if (segment_read(segment, SEG_MODULES, i, &record, sizeof(record)) ||
		    record.start >= record.end || record.bias > record.start)
			continue;
		struct module *m = add(modules);

		if (!m)
			return -ENOMEM;
		m->start = record.start;
		m->end = record.end;
		m->bias = record.bias;
		m->has_bias = true;
		m->path = segment_text(segment, record.path);
		m->is_shim = is_shim_path(m->path);
		if (record.build_id_size <= sizeof(record.build_id)) {
			m->build_id_size = record.build_id_size;
			memcpy(m->build_id, record.build_id, record.build_id_size);
		}
	}
	return 0;
}

static void strip_deleted(char *path)
{
	char *deleted = strstr(path, " (deleted)");

	if (deleted && !deleted[strlen(" (deleted)")])
		*deleted = '\0';
}

/* A number and what ends it. */
static bool take_hex(char **at, char end, uint64_t *value)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit, *from = *at;

	for (*value = 0; **at && (digit = strchr(digits, **at)); ++*at)
		*value = *value << 4 | (uint64_t)(digit - digits);
	return *at > from && *(*at)++ == end;
}

static bool skip_word(char **at)
{
	*at += strcspn(*at, " ");
	return *(*at)++ == ' ';
}

/* One line of maps; false if it maps no file. The path points into the line. */
static bool parse_map(char *line, struct core_map *map)
{
	uint64_t start, end, offset;
	char *path = line;

	/* "START-END rwxp OFFSET MAJ:MIN INO   PATH": thousands of lines, too many for sscanf() */
	if (!take_hex(&path, '-', &start) || !take_hex(&path, ' ', &end) || !skip_word(&path) ||
	    !take_hex(&path, ' ', &offset) || !skip_word(&path) || !skip_word(&path))
		return false;
	path += strspn(path, " ");
	if (path[0] != '/' && strcmp(path, VDSO_PATH))
		return false;
	strip_deleted(path);
	*map = (struct core_map){start, end, offset, path};
	return true;
}

/* Of items[0..count), which are sorted and do not overlap: one that overlaps the range, or NULL. */
static struct module *find_overlap(const struct modules *modules, uint32_t count, uint64_t start,
				   uint64_t end)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (modules->items[middle].end <= start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && modules->items[low].start < end ? &modules->items[low] : NULL;
}

/* The mappings of one file follow each other; `recorded` modules came from the segment. */
static int add_map(struct modules *modules, uint32_t recorded, const struct core_map *map)
{
	struct module *m = find_overlap(modules, recorded, map->start, map->end);

	if (m) {
		if (!m->map_end && !strcmp(m->path, map->path)) {
			m->map_start = map->start;
			m->map_end = map->end;
			m->map_offset = map->offset;
		}
		return 0;
	}
	m = modules->count > recorded ? &modules->items[modules->count - 1] : NULL;
	if (m && !strcmp(m->path, map->path) && map->offset > m->map_offset) {
		m->end = map->end;
		return 0;
	}
	m = add(modules);
	if (!m)
		return -ENOMEM;
	m->start = m->map_start = map->start;
	m->end = m->map_end = map->end;
	m->map_offset = map->offset;
	m->path = map->path;
	m->is_shim = is_shim_path(map->path);
	return 0;
}

static int load_maps(struct modules *modules, const struct proc *proc, pid_t pid)
{
	uint32_t recorded = modules->count;
	char *rest, *line;
	struct core_map map;
	size_t length;
	int error = 0;

	if (proc_read(proc, &modules->maps, &length, "%d/maps", (int)pid))
		return 0;
	for (line = strtok_r(modules->maps, "\n", &rest); line && !error;
	     line = strtok_r(NULL, "\n", &rest))
		if (parse_map(line, &map))
			error = add_map(modules, recorded, &map);
	return error;
}

/* The vdso is no file, but the auxiliary vector tells where it is, and the core holds it. */
static int add_core_vdso(struct modules *modules, uint32_t recorded)
{
	const struct core_load *load = core_find_load(modules->core, modules->core->auxv.vdso);
	struct module *m;

	if (!modules->core->auxv.vdso || !load)
		return 0;
	struct core_map map = {load->start, load->end, 0, VDSO_PATH};

	m = find_overlap(modules, recorded, map.start, map.end);
	if (!m)
		return add_map(modules, recorded, &map);
	m->map_start = map.start;
	m->map_end = map.end;
	return 0;
}

/* A core's paths are read only: of a deleted file one without the kernel's remark is kept. */
static int load_core(struct modules *modules)
{
	const struct core *core = modules->core;
	uint32_t recorded = modules->count;
	size_t room = 0, used = 0;
	int error;

	for (uint32_t i = 0; i < core->map_count; i++)
		room += strlen(core->maps[i].path) + 1;
	modules->maps = malloc(room + 1);
	if (!modules->maps)
		return -ENOMEM;
	error = add_core_vdso(modules, recorded);
	for (uint32_t i = 0; i < core->map_count && !error; i++) {
		struct core_map map = core->maps[i];

		if (map.path[0] != '/')
			continue;
		map.path = strcpy(modules->maps + used, map.path);
		used += strlen(map.path) + 1;
		strip_deleted(modules->maps + (map.path - modules->maps));
		error = add_map(modules, recorded, &map);
	}
	return error;
}

static int compare_modules(const void *x, const void *y)
{
	const struct module *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end == b->end ? 0 : a->end < b->end ? -1 : 1;
}

static void sort(struct modules *modules)
{
	uint32_t kept = 0;

	if (!modules->count)
		return;
	qsort(modules->items, modules->count, sizeof(modules->items[0]), compare_modules);
	for (uint32_t i = 0; i < modules->count; i++)
		if (!kept || modules->items[i].start >= modules->items[kept - 1].end)
			modules->items[kept++] = modules->items[i];
	modules->count = kept;
}

int modules_begin(struct modules *modules, struct images *images, const struct proc *proc,
		  struct segment *segment, pid_t pid)
{
	int error = 0;

	memset(modules, 0, sizeof(*modules));
	modules->images = images;
	modules->proc = proc;
	modules->pid = pid;
	if (segment)
		error = load_segment(modules, segment);
	sort(modules);
	if (error)
		modules_done(modules);
	return error;
}

int modules_complete(struct modules *modules)
{
	if (modules->is_complete || !modules->pid)
		return 0;
	modules->is_complete = true;
	int error = load_maps(modules, modules->proc, modules->pid);

	sort(modules);
	return error;
}

int modules_load(struct modules *modules, struct images *images, const struct proc *proc,
		 struct segment *segment, pid_t pid)
{
	int error = modules_begin(modules, images, proc, segment, pid);

	if (!error)
		error = modules_complete(modules);
	if (error)
		modules_done(modules);
	return error;
}

/*
 * Data files are mapped, too: they have neither frames nor names. gcore leaves code out, the
 * kernel notes it as memory that is not filled: a gap may be code.
 */
static bool may_have_code(const struct core *core, const struct module *module)
{
	uint64_t at = module->start;

	while (at < module->end) {
		const struct core_load *l = core_find_load(core, at);
		if (!l || l->is_code)
			return true;
		at = l->end;
	}
	return false;
}

/* Only a forged core has very many programs in it; each costs some time. */
static void keep_code(struct modules *modules)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < modules->count && kept < CORE_MODULES_MAX; i++)
		if (may_have_code(modules->core, &modules->items[i]))
			modules->items[kept++] = modules->items[i];
	modules->count = kept;
}

int modules_load_core(struct modules *modules, struct images *images, struct segment *segment,
		      const struct core *core, const char *exe)
{
	int error = 0;

	memset(modules, 0, sizeof(*modules));
	modules->images = images;
	modules->core = core;
	if (segment)
		error = load_segment(modules, segment);
	sort(modules);
	if (!error)
		error = load_core(modules);
	sort(modules);
	keep_code(modules);
	struct module *program = modules_find(modules, core->auxv.phdr);

	if (program)
		program->file = exe;
	if (error)
		modules_done(modules);
	return error;
}

void modules_done(struct modules *modules)
{
	free(modules->items);
	free(modules->maps);
	memset(modules, 0, sizeof(*modules));
}

struct module *modules_find(const struct modules *modules, uint64_t address)
{
	if (address == UINT64_MAX)
		return NULL;
	return find_overlap(modules, modules->count, address, address + 1);
}
