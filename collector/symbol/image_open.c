#include "config.h"

#include "collector/symbol/image_open.h"

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

#include "collector/core/core.h"

#define VDSO_SIZE_MAX (1 << 20)

const char image_is_no_elf[] = "is no ELF file, or too large a one";
static const char problem_replaced[] = "was replaced since it was mapped";

void image_close(struct image *image)
{
	if (image->dwfl)
		dwfl_end(image->dwfl);
	if (image->elf)
		elf_end(image->elf);
	if (image->fd >= 0)
		close(image->fd);
	free(image->memory);
	free(image->opened);
	free(image->debug_file);
	image->opened = image->debug_file = NULL;
	image->dwfl = NULL;
	image->module = NULL;
	image->elf = NULL;
	image->fd = -1;
	image->memory = NULL;
}

/* Opening a device or a FIFO could have effects: O_PATH first, to see what it is. */
int image_open_regular(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	char link[64];

	if (fd < 0)
		return -errno;
	/* Reading some of the kernel's own files has effects, too, or never ends: their size is 0.
	 */
	int error = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) && st.st_size ? 0 : -EINVAL;
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
	return is_known && st.st_size <= IMAGE_FOREIGN_MAX ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
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
		image->problem = image_is_no_elf;
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

static bool try_path(struct image *image, const char *root, const char *name)
{
	const char *former = image->problem;
	char path[PATH_MAX];
	int fd = snprintf(path, sizeof(path), "%s%s", root, name) < (int)sizeof(path)
			 ? image_open_regular(path)
			 : -ENAMETOOLONG;

	if (fd >= 0 && accept_elf(image, open_elf(fd), fd, NULL))
		image->opened = strdup(path);
	if (fd >= 0)
		return image->elf;
	/* A replaced file tells more than a second place where there is none. */
	image->problem = former                          ? former
			 : fd == -EACCES || fd == -EPERM ? "may not be read"
			 : fd == -EINVAL                 ? "is no regular file"
							 : "is not there";
	return false;
}

/* A process in a chroot has its files there, and its paths say so already. */
static const char *root_for(const char *path, const char *sysroot)
{
	size_t length = strlen(sysroot);

	return strncmp(path, sysroot, length) == 0 && path[length] == '/' ? "" : sysroot;
}

static void open_file(struct image *image, const struct image_request *r, const struct proc *proc,
		      const char *sysroot)
{
	char root[64], mapping[64];

	if (r->file) {
		if (!try_path(image, "", r->file) && image->problem == problem_replaced)
			image->problem = "is not the file that was given for it: "
					 "their build-ids differ";
		return;
	}
	if (try_path(image, root_for(r->path, sysroot), r->path) || !r->pid || !proc ||
	    proc_is_recorded(proc))
		return;
	/* The process may live under another root, or keep a file that is deleted by now. */
	snprintf(root, sizeof(root), "/proc/%d/root", (int)r->pid);
	if (try_path(image, root, r->path))
		return;
	snprintf(mapping, sizeof(mapping), "/proc/%d/map_files/%llx-%llx", (int)r->pid,
		 (unsigned long long)r->start, (unsigned long long)r->end);
	if (!try_path(image, "", mapping))
		return;
	/* Its debug information still stands where that of its path does. */
	free(image->opened);
	image->opened = strdup(r->path);
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

static char *copy_of_vdso(const struct image_request *r, const struct proc *proc)
{
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
static void open_vdso(struct image *image, const struct image_request *r, const struct proc *proc)
{
	const char *own = (const char *)getauxval(AT_SYSINFO_EHDR);
	char *copy = copy_of_vdso(r, proc);

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

static char *root_of(pid_t pid)
{
	char *root;

	return asprintf(&root, "/proc/%d/root", (int)pid) < 0 ? NULL : root;
}

void image_open(struct image *image, const struct image_request *r, const struct proc *proc,
		const char *sysroot)
{
	image->was_live = r->pid != 0;
	free(image->root);
	image->root = *sysroot                            ? strdup(sysroot)
		      : r->pid && !proc_is_recorded(proc) ? root_of(r->pid)
							  : NULL;
	if (is_vdso(r->path))
		open_vdso(image, r, proc);
	else if (r->path[0] == '/')
		open_file(image, r, proc, sysroot);
	else
		image->problem = "is no file";
}
