#include "config.h"

#include "collector/image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "collector/core.h"
#include "collector/symbol.h"

#define BUCKETS 1024
#define VDSO_SIZE_MAX (1 << 20)
#define FOREIGN_SIZE_MAX (256 << 20) /* of a file that belongs to neither root nor us */

static const char problem_replaced[] = "was replaced since it was mapped";

struct images {
	const struct proc *proc;
	char *sysroot; /* "" for the root */
	char *debug_path; /* NULL: libdwfl's default */
	Dwfl_Callbacks callbacks;
	struct image *buckets[BUCKETS];
};

static Elf *image_elf_reference(struct image *image)
{
	return image->elf ? elf_begin(-1, ELF_C_READ, image->elf) : NULL;
}

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct image *image = *userdata;

	(void)module, (void)name, (void)base;
	*elf = image ? image_elf_reference(image) : NULL;
	*file_name = *elf ? strdup(image->path) : NULL;
	return -1;
}

struct images *images_new(const struct proc *proc, const char *sysroot, const char *debug_path)
{
	struct images *images = calloc(1, sizeof(*images));
	size_t length = sysroot ? strlen(sysroot) : 0;

	if (!images)
		return NULL;
	while (length && sysroot[length - 1] == '/')
		length--;
	images->proc = proc;
	images->sysroot = strndup(sysroot ? sysroot : "", length);
	if (debug_path)
		images->debug_path = strdup(debug_path);
	else if (length && asprintf(&images->debug_path, "%s/usr/lib/debug", images->sysroot) < 0)
		images->debug_path = NULL;
	if (!images->sysroot || (debug_path && !images->debug_path)) {
		images_free(images);
		return NULL;
	}
	images->callbacks = (Dwfl_Callbacks){
		.find_elf = find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
		.section_address = dwfl_offline_section_address,
		.debuginfo_path = &images->debug_path,
	};
	elf_version(EV_CURRENT);
	return images;
}

int images_set_debug_path(struct images *images, const char *debug_path)
{
	char *copy = strdup(debug_path);

	if (!copy)
		return -ENOMEM;
	free(images->debug_path);
	images->debug_path = copy;
	return 0;
}

static void image_close(struct image *image)
{
	if (image->dwfl)
		dwfl_end(image->dwfl);
	if (image->elf)
		elf_end(image->elf);
	if (image->fd >= 0)
		close(image->fd);
	free(image->memory);
	image->dwfl = NULL;
	image->module = NULL;
	image->elf = NULL;
	image->fd = -1;
	image->memory = NULL;
}

void images_free(struct images *images)
{
	if (!images)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct image *image = images->buckets[i], *next; image; image = next) {
			next = image->next;
			symbols_free(image->symbols);
			image_close(image);
			free(image->path);
			free(image);
		}
	}
	free(images->sysroot);
	free(images->debug_path);
	free(images);
}

/* Opening a device or a FIFO could have effects: O_PATH first, to see what it is. */
static int open_regular(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	char link[64];

	if (fd < 0)
		return -errno;
	int error = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	int opened = -1;

	if (!error) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		opened = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		error = opened < 0 ? -errno : 0;
	}
	close(fd);
	return error ? error : opened;
}

/*
 * Mapping is fast, but a file that its owner cuts in that moment would kill us: only root's files
 * and our own are mapped. Of others' files whole sections are read, so that their size counts.
 */
static Elf *open_elf(int fd)
{
	struct stat st;
	bool is_known = fstat(fd, &st) == 0;

	if (is_known && (st.st_uid == 0 || st.st_uid == geteuid()))
		return elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	return is_known && st.st_size <= FOREIGN_SIZE_MAX ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
}

static bool is_wanted_build(const struct image *image, Elf *elf)
{
	const void *id;
	ssize_t size = dwelf_elf_gnu_build_id(elf, &id);

	if (!image->build_id_size)
		return true;
	return size == (ssize_t)image->build_id_size && !memcmp(id, image->build_id, (size_t)size);
}

/* Takes the range of the segments; false if there are none. */
static bool measure(struct image *image)
{
	size_t count;
	bool is_first = true;
	GElf_Phdr ph;

	if (elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(image->elf, (int)i, &ph) || ph.p_type != PT_LOAD)
			continue;
		if (is_first)
			image->low = ph.p_vaddr & (ph.p_align ? -ph.p_align : ~UINT64_C(0));
		is_first = false;
		if (ph.p_vaddr + ph.p_memsz > image->high)
			image->high = ph.p_vaddr + ph.p_memsz;
	}
	return !is_first && image->high > image->low;
}

/* Takes over fd or memory when the file is what we want. Sets problem otherwise. */
static bool accept_elf(struct image *image, Elf *elf, int fd, char *memory)
{
	image->elf = elf;
	image->fd = fd;
	image->memory = memory;
	if (!elf || elf_kind(elf) != ELF_K_ELF)
		image->problem = "is no ELF file, or too large a one";
	else if (!is_wanted_build(image, elf))
		image->problem = problem_replaced;
	else if (!measure(image))
		image->problem = "has no segments";
	else
		image->problem = NULL;
	if (image->problem)
		image_close(image);
	return !image->problem;
}

static bool try_path(struct image *image, const char *path)
{
	const char *former = image->problem;
	int fd = open_regular(path);

	if (fd >= 0)
		return accept_elf(image, open_elf(fd), fd, NULL);
	/* A replaced file tells more than a second place where there is none. */
	image->problem = former					? former
			 : fd == -EACCES || fd == -EPERM ? "may not be read"
			 : fd == -EINVAL		 ? "is no regular file"
							 : "is not there";
	return false;
}

static void open_file(struct image *image, const struct image_request *r)
{
	const struct images *images = image->owner;
	char path[PATH_MAX];

	if (r->file) {
		if (!try_path(image, r->file) && image->problem == problem_replaced)
			image->problem = "is not the file that was given for it: "
					 "their build-ids differ";
		return;
	}
	if (snprintf(path, sizeof(path), "%s%s", images->sysroot, r->path) < (int)sizeof(path) &&
	    try_path(image, path))
		return;
	if (!r->pid || !images->proc || proc_is_recorded(images->proc))
		return;
	/* The process may live under another root, or keep a file that is deleted by now. */
	if (snprintf(path, sizeof(path), "/proc/%d/root%s", (int)r->pid, r->path) <
		    (int)sizeof(path) &&
	    try_path(image, path))
		return;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)r->pid,
		 (unsigned long long)r->start, (unsigned long long)r->end);
	try_path(image, path);
}

static bool is_vdso(const char *path)
{
	return path[0] != '/' && strstr(path, "vdso");
}

/* Takes over copy. */
static bool accept_memory(struct image *image, char *copy, size_t size)
{
	return accept_elf(image, elf_memory(copy, size), -1, copy);
}

static char *copy_of_vdso(const struct image *image, const struct image_request *r)
{
	const struct proc *proc = image->owner->proc;
	size_t size = r->end - r->start;
	char *copy = size && size <= VDSO_SIZE_MAX ? malloc(size) : NULL;

	if (copy && r->core && core_read(r->core, r->start, copy, size))
		return copy;
	if (copy && r->pid && proc &&
	    proc_read_memory(proc, r->pid, r->start, copy, size) == (ssize_t)size)
		return copy;
	free(copy);
	return NULL;
}

/* The process's own from its memory, else ours if it is the same. */
static void open_vdso(struct image *image, const struct image_request *r)
{
	const char *own = (const char *)getauxval(AT_SYSINFO_EHDR);
	char *copy = copy_of_vdso(image, r);

	if (copy && accept_memory(image, copy, r->end - r->start))
		return;
	image->problem = "is not the vdso of this kernel";
	if (!own || !image->build_id_size)
		return;
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)own;
	size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

	copy = malloc(size);
	if (copy && !accept_memory(image, memcpy(copy, own, size), size))
		image->problem = "is not the vdso of this kernel";
}

static void open_image(struct image *image, const struct image_request *r)
{
	image->was_live = r->pid != 0;
	if (is_vdso(r->path))
		open_vdso(image, r);
	else if (r->path[0] == '/')
		open_file(image, r);
	else
		image->problem = "is no file";
}

static size_t hash(const struct image_request *r)
{
	uint64_t h = UINT64_C(1469598103934665603); /* FNV-1a */

	for (const char *c = r->path; *c; c++)
		h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
	for (uint32_t i = 0; i < r->build_id_size; i++)
		h = (h ^ r->build_id[i]) * UINT64_C(1099511628211);
	return h % BUCKETS;
}

static bool is_same(const struct image *image, const struct image_request *r)
{
	return image->build_id_size == r->build_id_size &&
	       !memcmp(image->build_id, r->build_id, r->build_id_size) &&
	       !strcmp(image->path, r->path);
}

const Dwfl_Callbacks *images_callbacks(const struct images *images)
{
	return &images->callbacks;
}

struct image *images_get(struct images *images, const struct image_request *request)
{
	static const uint8_t none[1];
	struct image_request r = *request;

	if (r.build_id_size > IMAGE_BUILD_ID_MAX)
		r.build_id_size = 0;
	if (!r.build_id_size)
		r.build_id = none;
	struct image **bucket = &images->buckets[hash(&r)];

	for (struct image *image = *bucket; image; image = image->next) {
		if (!is_same(image, &r))
			continue;
		if (!image->elf && r.pid && !image->was_live)
			open_image(image, &r);
		return image;
	}
	struct image *image = calloc(1, sizeof(*image));

	if (!image || !(image->path = strdup(r.path))) {
		free(image);
		return NULL;
	}
	memcpy(image->build_id, r.build_id, r.build_id_size);
	image->build_id_size = r.build_id_size;
	image->fd = -1;
	image->owner = images;
	image->next = *bucket;
	*bucket = image;
	open_image(image, &r);
	return image;
}

Dwfl_Module *image_module(struct image *image)
{
	void **userdata;

	if (image->dwfl || !image->elf)
		return image->module;
	image->dwfl = dwfl_begin(&image->owner->callbacks);
	if (!image->dwfl)
		return NULL;
	dwfl_report_begin(image->dwfl);
	image->module = dwfl_report_module(image->dwfl, image->path, image->low, image->high);
	if (image->module) {
		dwfl_module_info(image->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
		*userdata = image;
	}
	dwfl_report_end(image->dwfl, NULL, NULL);
	return image->module;
}

/* The segment that holds [address, address + size) in the file. */
static bool find_segment(struct image *image, uint64_t address, size_t size, GElf_Phdr *ph)
{
	size_t count;

	if (!image->elf || elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (gelf_getphdr(image->elf, (int)i, ph) && ph->p_type == PT_LOAD &&
		    address >= ph->p_vaddr && address - ph->p_vaddr < ph->p_filesz &&
		    size <= ph->p_filesz - (address - ph->p_vaddr))
			return true;
	return false;
}

bool image_read(struct image *image, uint64_t address, void *data, size_t size)
{
	GElf_Phdr ph;

	if (!find_segment(image, address, size, &ph) || (ph.p_flags & PF_W))
		return false;
	uint64_t offset = ph.p_offset + (address - ph.p_vaddr);

	if (image->fd >= 0)
		return pread(image->fd, data, size, (off_t)offset) == (ssize_t)size;
	size_t length;
	const char *raw = elf_rawfile(image->elf, &length);

	if (!raw || offset > length || size > length - offset)
		return false;
	memcpy(data, raw + offset, size);
	return true;
}

bool image_is_code(struct image *image, uint64_t address)
{
	GElf_Phdr ph;

	return find_segment(image, address, 1, &ph) && (ph.p_flags & PF_X);
}

bool image_address_of_offset(struct image *image, uint64_t offset, uint64_t *address)
{
	size_t count;
	GElf_Phdr ph;

	if (!image->elf || elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(image->elf, (int)i, &ph) || ph.p_type != PT_LOAD || !ph.p_align)
			continue;
		uint64_t slack = ph.p_offset & ((uint64_t)sysconf(_SC_PAGESIZE) - 1);

		if (offset == ph.p_offset - slack) {
			*address = ph.p_vaddr - slack;
			return true;
		}
	}
	return false;
}
