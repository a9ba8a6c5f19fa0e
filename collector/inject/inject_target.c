#include "config.h"

#include "collector/inject/inject_target.h"

#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BY_SAMPLING "lockjam attach without --inject records from outside"
#define DLOPEN_MODE 0x80000000u /* __RTLD_DLOPEN, which __libc_dlopen_mode() wants */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* --- what a module exports -----------------------------------------------------------------------
 */

struct symbols {
	Elf_Data *data;
	GElf_Shdr header;
	Elf *elf;
	int count;
};

/* The dynamic symbols of an image; false if it has none. */
static bool symbols_open(struct image *image, struct symbols *s)
{
	Elf_Scn *section = NULL;

	*s = (struct symbols){.elf = image ? image->elf : NULL};
	while (s->elf && (section = elf_nextscn(s->elf, section))) {
		if (!gelf_getshdr(section, &s->header) || s->header.sh_type != SHT_DYNSYM)
			continue;
		s->data = elf_getdata(section, NULL);
		s->count = s->data && s->header.sh_entsize
				   ? (int)(s->header.sh_size / s->header.sh_entsize)
				   : 0;
		return s->count > 0;
	}
	return false;
}

/* The name of a function that is defined here, NULL: it is none. */
static const char *symbols_function(const struct symbols *s, int i, GElf_Sym *symbol)
{
	if (!gelf_getsym(s->data, i, symbol) || symbol->st_shndx == SHN_UNDEF ||
	    GELF_ST_BIND(symbol->st_info) == STB_LOCAL || GELF_ST_TYPE(symbol->st_info) != STT_FUNC)
		return NULL;
	return elf_strptr(s->elf, s->header.sh_link, symbol->st_name);
}

bool inject_target_symbol(const struct inject_target *t, struct module *module, const char *name,
			  uint64_t *address)
{
	struct symbols s;
	GElf_Sym symbol;

	if (!symbols_open(modules_image(&t->modules, module), &s))
		return false;
	for (int i = 0; i < s.count; i++) {
		const char *found = symbols_function(&s, i, &symbol);

		if (!found || strcmp(found, name))
			continue;
		*address = module->bias + symbol.st_value;
		return true;
	}
	return false;
}

enum inject_harm inject_target_harm(const struct inject_target *t, uint64_t address)
{
	struct module *module = modules_find(&t->modules, address);
	enum inject_harm best = INJECT_HARMFUL;
	struct symbols s;
	GElf_Sym symbol;

	if (!module || !symbols_open(modules_image(&t->modules, module), &s))
		return best;
	for (int i = 0; i < s.count; i++) {
		const char *name = symbols_function(&s, i, &symbol);

		if (name && module->bias + symbol.st_value == address && inject_harm(name) > best)
			best = inject_harm(name);
	}
	return best;
}

static int compare_entries(const void *x, const void *y)
{
	const struct inject_entry *a = x, *b = y;

	return (a->start > b->start) - (a->start < b->start);
}

/* Several names of one function become one. */
static void merge_entries(struct inject_target *t)
{
	uint32_t kept = 0;

	qsort(t->entries, t->entry_count, sizeof(t->entries[0]), compare_entries);
	for (uint32_t i = 0; i < t->entry_count; i++) {
		struct inject_entry *e = &t->entries[i];
		struct inject_entry *last = kept ? &t->entries[kept - 1] : NULL;

		if (!last || last->start != e->start) {
			t->entries[kept++] = *e;
			continue;
		}
		last->harm = e->harm > last->harm ? e->harm : last->harm;
		last->size = e->size > last->size ? e->size : last->size;
	}
	t->entry_count = kept;
}

static int load_entries(struct inject_target *t)
{
	struct module *libc = &t->modules.items[t->libc];
	struct symbols s;
	GElf_Sym symbol;

	free(t->entries);
	t->entries = NULL;
	t->entry_count = 0;
	if (!symbols_open(modules_image(&t->modules, libc), &s))
		return -ENOEXEC;
	t->entries = calloc((size_t)s.count, sizeof(*t->entries));
	if (!t->entries)
		return -ENOMEM;
	for (int i = 0; i < s.count; i++) {
		const char *name = symbols_function(&s, i, &symbol);

		if (name)
			t->entries[t->entry_count++] = (struct inject_entry){
				libc->bias + symbol.st_value, symbol.st_size, inject_harm(name)};
	}
	merge_entries(t);
	return 0;
}

const struct inject_entry *inject_target_entry(const struct inject_target *t, uint64_t address)
{
	uint32_t low = 0, high = t->entry_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	const struct inject_entry *e = low ? &t->entries[low - 1] : NULL;

	return e && address - e->start < e->size ? e : NULL;
}

/* --- modules -------------------------------------------------------------------------------------
 */

static bool is_named(const struct module *module, const char *pattern)
{
	return !fnmatch(pattern, base_name(module->path), 0);
}

static bool is_libc(const struct module *module)
{
	return is_named(module, "libc.so.6") || is_named(module, "libc-2.*.so") ||
	       is_named(module, "libpthread.so.0") || is_named(module, "libpthread-2.*.so");
}

static enum inject_module kind_of(const struct inject_target *t, struct module *module,
				  bool is_program)
{
	uint64_t address;

	if (module->is_shim)
		return INJECT_MODULE_SHIM;
	if (is_libc(module))
		return INJECT_MODULE_LIBC;
	if (is_named(module, "ld-*") || is_named(module, "libdl.so.2") ||
	    is_named(module, "libdl-2.*.so"))
		return INJECT_MODULE_LOADER;
	if (is_named(module, "libgcc_s.so.*") || is_named(module, "libunwind*"))
		return INJECT_MODULE_UNWINDER;
	if (!is_program && inject_target_symbol(t, module, "malloc", &address))
		return INJECT_MODULE_ALLOCATOR;
	return INJECT_MODULE_OTHER;
}

static void classify_modules(struct inject_target *t)
{
	char program[PATH_MAX];
	uint64_t address;

	if (proc_readlink(t->proc, program, sizeof(program), "%d/exe", (int)t->pid))
		program[0] = '\0';
	t->libc = UINT32_MAX;
	for (uint32_t i = 0; i < t->modules.count; i++) {
		struct module *m = &t->modules.items[i];
		size_t length = strlen(m->path);
		/* The link may say " (deleted)" behind it. */
		bool is_program = !strncmp(program, m->path, length) &&
				  (!program[length] || program[length] == ' ');

		t->kinds[i] = kind_of(t, m, is_program);
		if (is_program)
			t->program_allocates = inject_target_symbol(t, m, "malloc", &address);
		if (t->kinds[i] == INJECT_MODULE_LIBC &&
		    inject_target_symbol(t, m, "gnu_get_libc_version", &address))
			t->libc = t->libc == UINT32_MAX ? i : UINT32_MAX - 1;
	}
}

static void forget(struct inject_target *t)
{
	unwinder_free(t->unwinder);
	t->unwinder = NULL;
	modules_done(&t->modules);
	inject_maps_done(&t->maps);
	free(t->kinds);
	t->kinds = NULL;
}

int inject_target_refresh(struct inject_target *t)
{
	forget(t);
	int error = inject_maps_load(&t->maps, t->proc, t->pid);

	if (!error)
		error = modules_load(&t->modules, t->images, t->proc, NULL, t->pid);
	if (error)
		return error;
	t->kinds = calloc(t->modules.count + 1, sizeof(*t->kinds));
	t->unwinder = unwinder_new(&t->modules);
	if (!t->kinds || !t->unwinder)
		return -ENOMEM;
	classify_modules(t);
	return t->libc < t->modules.count ? load_entries(t) : -ENOEXEC;
}

enum inject_module inject_target_kind(const struct inject_target *t, uint64_t address,
				      const struct module **module)
{
	const struct module *found = modules_find(&t->modules, address);

	*module = found;
	return found ? t->kinds[found - t->modules.items] : INJECT_MODULE_OTHER;
}

struct module *inject_target_shim(const struct inject_target *t)
{
	for (uint32_t i = 0; i < t->modules.count; i++)
		if (t->kinds[i] == INJECT_MODULE_SHIM)
			return &t->modules.items[i];
	return NULL;
}

/* --- what to call, and where the code goes
 * -------------------------------------------------------- */

static bool find_in(struct inject_target *t, struct module *module)
{
	return inject_target_symbol(t, module, "dlopen", &t->dlopen) &&
	       inject_target_symbol(t, module, "dlsym", &t->dlsym) &&
	       inject_target_symbol(t, module, "dlerror", &t->dlerror);
}

/* Since glibc 2.34 in libc; before, in libdl, which the program may not have. */
static bool find_functions(struct inject_target *t)
{
	struct module *libc = &t->modules.items[t->libc];

	t->dlopen_flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
	if (find_in(t, libc))
		return true;
	for (uint32_t i = 0; i < t->modules.count; i++)
		if (t->kinds[i] == INJECT_MODULE_LOADER && find_in(t, &t->modules.items[i]))
			return true;
	t->dlerror = 0;
	t->dlopen_flags |= (int)DLOPEN_MODE;
	return inject_target_symbol(t, libc, "__libc_dlopen_mode", &t->dlopen) &&
	       inject_target_symbol(t, libc, "__libc_dlsym", &t->dlsym);
}

/*
 * What is left of the last page of a file's code belongs to nobody. The kernel gives the process a
 * page of its own when it is written to; what was put there stays, without harm.
 */
static uint64_t find_cave(const struct inject_target *t, struct module *module, size_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct image *image = modules_image(&t->modules, module);
	size_t count;
	GElf_Phdr ph;

	if (!image || !image->elf || elf_getphdrnum(image->elf, &count))
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(image->elf, (int)i, &ph) || ph.p_type != PT_LOAD ||
		    !(ph.p_flags & PF_X))
			continue;
		uint64_t end = module->bias + ph.p_vaddr + ph.p_memsz;
		uint64_t cave = (end + 63) & ~UINT64_C(63),
			 page_end = (end + page - 1) & ~(page - 1);
		const struct inject_map *map = inject_maps_find(&t->maps, cave);

		if (map && !strcmp(map->access, "r-xp") && page_end <= map->end &&
		    cave + size <= page_end && map->start < end)
			return cave;
	}
	return 0;
}

static uint64_t find_any_cave(const struct inject_target *t, size_t size)
{
	uint64_t cave = find_cave(t, &t->modules.items[t->libc], size);

	for (uint32_t i = 0; i < t->modules.count && !cave; i++)
		if (t->kinds[i] != INJECT_MODULE_SHIM)
			cave = find_cave(t, &t->modules.items[i], size);
	return cave;
}

static int refuse_libc(const struct inject_target *t, struct collect_error *error)
{
	const char *cause = "is statically linked, or its libc cannot be read";

	if (t->libc == UINT32_MAX - 1)
		cause = "has more than one libc";
	for (uint32_t i = 0; i < t->modules.count; i++)
		if (is_named(&t->modules.items[i], "ld-musl-*") ||
		    is_named(&t->modules.items[i], "libc.musl-*"))
			cause = "runs with musl: the shim is for glibc";
	return collect_fail(error, -ENOTSUP, t->object, cause, BY_SAMPLING);
}

int inject_target_open(struct inject_target *t, const struct proc *proc, pid_t pid,
		       size_t cave_size, struct collect_error *error)
{
	memset(t, 0, sizeof(*t));
	t->proc = proc;
	t->pid = pid;
	int code = inject_obstacle(t, error);

	if (code)
		return code;
	t->images = images_new(proc, NULL, NULL);
	code = t->images ? inject_target_refresh(t) : -ENOMEM;
	if (code && code != -ENOEXEC)
		return collect_fail(error, code, t->object, strerror(-code), "");
	if (code || t->libc >= t->modules.count)
		return refuse_libc(t, error);
	if (!find_functions(t))
		return collect_fail(error, -ENOTSUP, t->object, "its libc has no dlopen()",
				    BY_SAMPLING);
	t->cave = find_any_cave(t, cave_size);
	if (!t->cave)
		return collect_fail(error, -ENOTSUP, t->object,
				    "has no room for a few hundred bytes of code", BY_SAMPLING);
	return 0;
}

void inject_target_close(struct inject_target *t)
{
	forget(t);
	free(t->entries);
	images_free(t->images);
	memset(t, 0, sizeof(*t));
}
