#include "config.h"

#include "collector/symbol/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/symbol/debug_file.h"
#include "collector/symbol/debug_server.h"
#include "collector/symbol/image_open.h"
#include "collector/symbol/symbol.h"

#define BUCKETS 1024

struct images {
	const struct proc *proc;
	char *sysroot; /* "" for the root */
	char *debug_path;
	struct debug_server *server; /* NULL nobody */
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
	images->debug_path = strdup(debug_path ? debug_path : DEBUG_FILE_PATH);
	images->server = debug_server_new();
	if (!images->sysroot || !images->debug_path) {
		images_free(images);
		return NULL;
	}
	images->callbacks = (Dwfl_Callbacks){
		.find_elf = find_elf,
		.find_debuginfo = debug_file_find,
		.section_address = dwfl_offline_section_address,
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

const char *images_debug_path(const struct images *images)
{
	return images->debug_path;
}

struct debug_server *images_server(const struct images *images)
{
	return images->server;
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
			free(image->root);
			free(image->path);
			free(image);
		}
	}
	free(images->sysroot);
	free(images->debug_path);
	debug_server_free(images->server);
	free(images);
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

static struct image_request normalized(const struct image_request *request)
{
	static const uint8_t none[1];
	struct image_request r = *request;

	if (r.build_id_size > IMAGE_BUILD_ID_MAX)
		r.build_id_size = 0;
	if (!r.build_id_size)
		r.build_id = none;
	return r;
}

bool images_has(const struct images *images, const struct image_request *request)
{
	const struct image_request r = normalized(request);

	for (const struct image *image = images->buckets[hash(&r)]; image; image = image->next)
		if (is_same(image, &r))
			return image->elf || !r.pid || image->was_live;
	return false;
}

struct image *images_get(struct images *images, const struct image_request *request)
{
	const struct image_request r = normalized(request);
	struct image **bucket = &images->buckets[hash(&r)];

	for (struct image *image = *bucket; image; image = image->next) {
		if (!is_same(image, &r))
			continue;
		if (!image->elf && r.pid && !image->was_live)
			image_open(image, &r, images->proc, images->sysroot);
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
	image_open(image, &r, images->proc, images->sysroot);
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
