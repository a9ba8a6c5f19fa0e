#include "config.h"

#include "collector/core/core.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/collect.h"

struct core_block {
	struct core_block *next;
	max_align_t data[];
};

static const char is_no_core[] = "is no core file";

/* The bytes that there are, up to `size`; negative errno. */
static ssize_t read_file(const struct core *core, void *data, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size && offset + done < core->size) {
		ssize_t got =
			pread(core->fd, (char *)data + done, size - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += got;
	}
	return done;
}

static bool read_all(const struct core *core, void *data, size_t size, uint64_t offset)
{
	return read_file(core, data, size, offset) == (ssize_t)size;
}

/* --- memory ----------------------------------------------------------------------------------- */

const struct core_load *core_find_load(const struct core *core, uint64_t address)
{
	uint32_t low = 0, high = core->load_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (core->loads[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == core->load_count || address < core->loads[low].start)
		return NULL;
	return &core->loads[low];
}

bool core_read(const struct core *core, uint64_t address, void *data, size_t size)
{
	char *to = data;

	while (size) {
		const struct core_load *l = core_find_load(core, address);
		uint64_t at = l ? address - l->start : 0;

		if (!l || at >= l->filled)
			return false;
		size_t part = size < l->filled - at ? size : l->filled - at;

		if (!read_all(core, to, part, l->offset + at))
			return false;
		to += part;
		address += part;
		size -= part;
	}
	return true;
}

bool core_read_text(const struct core *core, uint64_t address, char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!core_read(core, address + i, &text[i], 1))
			return false;
		if (!text[i])
			return true;
	}
	return false;
}

const struct core_map *core_find_map(const struct core *core, uint64_t address)
{
	for (uint32_t i = 0; i < core->map_count; i++)
		if (address >= core->maps[i].start && address < core->maps[i].end)
			return &core->maps[i];
	return NULL;
}

void *core_alloc(struct core *core, size_t size)
{
	struct core_block *b = calloc(1, sizeof(*b) + size);

	if (!b)
		return NULL;
	b->next = core->blocks;
	core->blocks = b;
	return b->data;
}

/* --- headers ---------------------------------------------------------------------------------- */

static int compare_loads(const void *x, const void *y)
{
	const struct core_load *a = x, *b = y;

	return (a->start > b->start) - (a->start < b->start);
}

/* Sorted; of overlapping ones (only a forged core has them) the first stays. */
static void sort_loads(struct core *core)
{
	uint32_t kept = 0;

	if (!core->load_count)
		return;
	qsort(core->loads, core->load_count, sizeof(*core->loads), compare_loads);
	for (uint32_t i = 0; i < core->load_count; i++)
		if (!kept || core->loads[i].start >= core->loads[kept - 1].end)
			core->loads[kept++] = core->loads[i];
	core->load_count = kept;
}

static void add_load(struct core *core, const Elf64_Phdr *ph)
{
	struct core_load *l = &core->loads[core->load_count];
	uint64_t filled = ph->p_filesz < ph->p_memsz ? ph->p_filesz : ph->p_memsz;
	uint64_t there = ph->p_offset < core->size ? core->size - ph->p_offset : 0;

	if (!ph->p_memsz || ph->p_memsz > UINT64_MAX - ph->p_vaddr)
		return;
	l->start = ph->p_vaddr;
	l->end = ph->p_vaddr + ph->p_memsz;
	l->offset = ph->p_offset;
	l->is_code = ph->p_flags & PF_X;
	l->filled = filled < there ? filled : there;
	if (core->missing <= UINT64_MAX - (filled - l->filled))
		core->missing += filled - l->filled;
	core->load_count++;
}

/* With 65535 and more the number stands in the first section header (PN_XNUM). */
static uint64_t count_headers(const struct core *core, const Elf64_Ehdr *eh)
{
	Elf64_Shdr sh;

	if (eh->e_phnum != PN_XNUM)
		return eh->e_phnum;
	if (!eh->e_shoff || eh->e_shentsize != sizeof(sh) ||
	    !read_all(core, &sh, sizeof(sh), eh->e_shoff))
		return 0;
	return sh.sh_info;
}

static int read_headers(struct core *core, const Elf64_Ehdr *eh, struct collect_error *error)
{
	uint64_t count = count_headers(core, eh), there;
	Elf64_Phdr ph;
	int r = 0;

	if (!count || eh->e_phentsize != sizeof(ph) || count > CORE_LOADS_MAX)
		return collect_fail(error, -EINVAL, core->path, "is a core without program headers",
				    "it was cut when it was written, or is damaged");
	there = eh->e_phoff < core->size ? (core->size - eh->e_phoff) / sizeof(ph) : 0;
	if (there < count)
		return collect_fail(error, -EINVAL, core->path,
				    "is a core that ends in its headers",
				    "it was cut: see `ulimit -c` and the room on the disk");
	core->loads = calloc(count, sizeof(*core->loads));
	if (!core->loads)
		return collect_fail(error, -ENOMEM, core->path, strerror(ENOMEM), "");
	for (uint64_t i = 0; i < count && !r; i++) {
		if (!read_all(core, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)))
			r = -EIO;
		else if (ph.p_type == PT_LOAD)
			add_load(core, &ph);
		else if (ph.p_type == PT_NOTE)
			r = core_read_notes(core, ph.p_offset, ph.p_filesz);
	}
	sort_loads(core);
	if (!r && !core->map_count)
		core_read_link_map(core);
	return r ? collect_fail(error, r, core->path, strerror(-r), "") : 0;
}

/* --- what it is ------------------------------------------------------------------------------- */

static int fail_foreign(struct core *core, const Elf64_Ehdr *eh, struct collect_error *error)
{
	const char *name = core_machine_name(eh->e_machine);
	bool is_wide = eh->e_ident[EI_CLASS] == ELFCLASS64 && eh->e_ident[EI_DATA] == ELFDATA2LSB;
	char cause[384], who[320], number[32];

	snprintf(number, sizeof(number), "machine %u", eh->e_machine);
	if (is_wide)
		read_headers(core, eh, error);
	core_describe(core, who, sizeof(who));
	snprintf(cause, sizeof(cause), "is a core of another processor (%s)%s",
		 name ? name : number, who);
	return collect_fail(error, -ENOTSUP, core->path, cause,
			    "this lockjam reads cores of " ARCH_NAME
			    "; use one that was built there");
}

static int read_core(struct core *core, struct collect_error *error)
{
	Elf64_Ehdr eh;
	ssize_t got = read_file(core, &eh, sizeof(eh), 0);

	if (got < 0)
		return collect_fail(error, got, core->path, strerror(-got), "");
	if (got == 0)
		return collect_fail(
			error, -EINVAL, core->path, "is empty",
			"the core was not written: see `ulimit -c` and the room on the disk");
	if (got < EI_NIDENT || memcmp(eh.e_ident, ELFMAG, SELFMAG))
		return collect_fail(error, -EINVAL, core->path, is_no_core,
				    "give a core, a session's directory, or a PID");
	/* The fields up to e_machine are the same in both classes. */
	if ((size_t)got < offsetof(Elf64_Ehdr, e_version))
		return collect_fail(error, -EINVAL, core->path, "is an ELF file that was cut", "");
	if (eh.e_ident[EI_DATA] == ELFDATA2LSB && eh.e_type != ET_CORE)
		return collect_fail(error, -EINVAL, core->path, "is a program or library, no core",
				    "give the core; --exe names the program");
	if (eh.e_machine != ARCH_MACHINE || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return fail_foreign(core, &eh, error);
	if ((size_t)got < sizeof(eh))
		return collect_fail(error, -EINVAL, core->path, "is a core that ends in its header",
				    "it was cut: see `ulimit -c` and the room on the disk");
	int r = read_headers(core, &eh, error);

	if (!r && !core->thread_count)
		r = collect_fail(error, -EINVAL, core->path,
				 core->missing ? "is a core that ends before its notes"
					       : "is a core without threads",
				 "it was cut, or is damaged");
	return r;
}

/* Only regular files: looked at first, because opening others may have effects. */
static int open_file(const char *path, struct collect_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return collect_fail(error, -errno, path, strerror(errno), "");
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return collect_fail(error, -EINVAL, path, "is no regular file",
				    "write the core into a file first");
	}
	return fd;
}

int core_open(const char *path, struct core **result, struct collect_error *error)
{
	struct core *core = calloc(1, sizeof(*core));
	struct stat st;

	if (!core)
		return collect_fail(error, -ENOMEM, path, strerror(ENOMEM), "");
	core->path = path;
	core->fd = open_file(path, error);
	int r = core->fd < 0 ? core->fd : 0;

	if (!r && fstat(core->fd, &st))
		r = collect_fail(error, -errno, path, strerror(errno), "");
	if (!r) {
		core->changed_ns = st.st_mtim.tv_sec * UINT64_C(1000000000) + st.st_mtim.tv_nsec;
		r = core_unpack(path, &core->fd, &core->is_cut, error);
	}
	if (!r && fstat(core->fd, &st))
		r = collect_fail(error, -errno, path, strerror(errno), "");
	if (!r) {
		core->size = st.st_size;
		r = read_core(core, error);
	}
	if (r)
		core_close(core);
	else
		*result = core;
	return r;
}

void core_close(struct core *core)
{
	if (!core)
		return;
	for (struct core_block *b = core->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	if (core->fd >= 0)
		close(core->fd);
	free(core->loads);
	free(core->maps);
	free(core->threads);
	free(core->file_note);
	free(core);
}

bool core_is_file(const char *path)
{
	uint64_t magic = 0;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t length = strlen(path), tail = strlen(SEG_SUFFIX);

	if (fd < 0)
		return false;
	bool is_core = !fstat(fd, &st) && S_ISREG(st.st_mode) &&
		       !(length > tail && !strcmp(path + length - tail, SEG_SUFFIX)) &&
		       (pread(fd, &magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
			magic != SEG_MAGIC);

	close(fd);
	return is_core;
}
