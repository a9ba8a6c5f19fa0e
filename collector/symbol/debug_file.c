#include "config.h"

#include "collector/symbol/debug_file.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

#include "collector/symbol/debug_server.h"
#include "collector/symbol/image.h"
#include "collector/symbol/image_open.h"

/* What is looked for. */
struct wanted {
	const struct image *image;
	const unsigned char *id; /* build-id; NULL: the checksum decides */
	size_t id_size;
	uint32_t checksum;
	int fd; /* what was found, else -1 */
	char *name;
};

/* --- is it the one? --------------------------------------------------------------------------- */

static bool has_checksum(int fd, uint32_t wanted)
{
#ifdef HAVE_ZLIB
	unsigned char buffer[65536];
	uLong sum = crc32(0, NULL, 0);
	off_t at = 0;
	ssize_t got;

	while ((got = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		sum = crc32(sum, buffer, (uInt)got);
		at += got;
	}
	return got == 0 && at > 0 && sum == wanted;
#else
	(void)fd, (void)wanted;
	return false;
#endif
}

static bool has_id(int fd, const struct wanted *w)
{
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	const void *id;
	ssize_t size = elf ? dwelf_elf_gnu_build_id(elf, &id) : -1;
	bool is_same = size == (ssize_t)w->id_size && !memcmp(id, w->id, w->id_size);

	elf_end(elf);
	return is_same;
}

/* libdwfl maps what it is given, and its owner could cut it then: a copy nobody else can reach. */
static int copied(int fd, const struct stat *st)
{
	int copy = memfd_create("lockjam debug information", MFD_CLOEXEC);
	off_t at = 0;
	bool is_whole = false;

	while (copy >= 0 && at < st->st_size) {
		char buffer[65536];
		ssize_t got = pread(fd, buffer, sizeof(buffer), at);

		if (got <= 0 || write(copy, buffer, (size_t)got) != got)
			break;
		at += got;
		is_whole = at >= st->st_size;
	}
	close(fd);
	if (copy >= 0 && !is_whole) {
		close(copy);
		return -1;
	}
	return copy;
}

static bool try(struct wanted *w, const char *path)
{
	struct stat st;
	int fd = image_open_regular(path);

	if (fd < 0)
		return false;
	if (fstat(fd, &st) || !(w->id ? has_id(fd, w) : has_checksum(fd, w->checksum))) {
		close(fd);
		return false;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid())
		fd = st.st_size <= IMAGE_FOREIGN_MAX ? copied(fd, &st) : (close(fd), -1);
	w->name = fd < 0 ? NULL : strdup(path);
	w->fd = fd;
	return fd >= 0;
}

/* --- where is it? ----------------------------------------------------------------------------- */

static bool __attribute__((format(printf, 2, 3))) try_at(struct wanted *w, const char *format, ...)
{
	char path[PATH_MAX];
	va_list list;

	va_start(list, format);
	int length = vsnprintf(path, sizeof(path), format, list);
	va_end(list);
	return length > 0 && length < (int)sizeof(path) && try(w, path);
}

static bool name_by_id(const struct wanted *w, char *name, size_t size)
{
	size_t used = (size_t)snprintf(name, size, ".build-id/");

	if (!w->id || w->id_size < 2 || size < used + 2 * w->id_size + sizeof("/.debug"))
		return false;
	for (size_t i = 0; i < w->id_size; i++)
		used += (size_t)snprintf(name + used, size - used, i == 1 ? "/%02x" : "%02x",
					 w->id[i]);
	snprintf(name + used, size - used, ".debug");
	return true;
}

static const char *folder_of(const char *path, char *folder, size_t size)
{
	const char *slash = strrchr(path, '/');

	snprintf(folder, size, "%.*s", slash ? (int)(slash - path) : 0, path);
	return folder;
}

/* In one element of the search path; an absolute one may also stand under the image's root. */
static bool try_element(struct wanted *w, const char *element, const char *link, const char *by_id)
{
	const char *root = w->image->root;
	char folder[PATH_MAX];

	if (*element == '+' || *element == '-')
		element++;
	folder_of(w->image->opened, folder, sizeof(folder));
	if (!*element)
		return link && try_at(w, "%s/%s", folder, link);
	if (*element != '/')
		return link && try_at(w, "%s/%s/%s", folder, element, link);
	folder_of(w->image->path, folder, sizeof(folder));
	return (by_id && try_at(w, "%s/%s", element, by_id)) ||
	       (root && by_id && try_at(w, "%s%s/%s", root, element, by_id)) ||
	       (link && try_at(w, "%s%s/%s", element, folder, link)) ||
	       (root && link && try_at(w, "%s%s%s/%s", root, element, folder, link));
}

static bool try_path(struct wanted *w, const char *search, const char *link)
{
	char by_id[2 * IMAGE_BUILD_ID_MAX + 32], element[PATH_MAX];
	bool has_name = name_by_id(w, by_id, sizeof(by_id));

	for (const char *at = search;; at++) {
		size_t length = strcspn(at, ":");

		snprintf(element, sizeof(element), "%.*s", (int)length, at);
		if (try_element(w, element, link, has_name ? by_id : NULL))
			return true;
		at += length;
		if (!*at)
			return false;
	}
}

/* What a server says is no more trusted than what a name says. */
static bool try_server(struct wanted *w)
{
	char *path = debug_server_find(images_server(w->image->owner), w->id, w->id_size);
	bool is_found = path && try(w, path);

	free(path);
	return is_found;
}

/* --- shared by several files ------------------------------------------------------------------ */

/* The build-id in .gnu_debugaltlink of that name: "NAME\0ID". */
static bool find_shared_id(Elf *elf, const char *name, struct wanted *w)
{
	size_t strings, length = strlen(name) + 1;
	Elf_Scn *section = NULL;

	if (!elf || elf_getshdrstrndx(elf, &strings))
		return false;
	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *title = gelf_getshdr(section, &header)
					    ? elf_strptr(elf, strings, header.sh_name)
					    : NULL;
		Elf_Data *data = title && !strcmp(title, ".gnu_debugaltlink")
					 ? elf_rawdata(section, NULL)
					 : NULL;

		if (!data || !data->d_buf || data->d_size <= length ||
		    memcmp(data->d_buf, name, length))
			continue;
		w->id = (const unsigned char *)data->d_buf + length;
		w->id_size = data->d_size - length;
		return w->id_size <= IMAGE_BUILD_ID_MAX;
	}
	return false;
}

/* A relative name is seen from the file that names it. */
static bool try_shared(struct wanted *w, const char *search, const char *from, const char *link)
{
	const char *base = strrchr(link, '/') ? strrchr(link, '/') + 1 : link;
	char folder[PATH_MAX];

	if (*link == '/' ? (w->image->root && try_at(w, "%s%s", w->image->root, link)) ||
				   try_at(w, "%s", link)
			 : try_at(w, "%s/%s", folder_of(from, folder, sizeof(folder)), link))
		return true;
	return try_path(w, search, NULL) || try_at(w, "/usr/lib/debug/.dwz/%s", base);
}

/* Which file names it is asked with the name alone: the debug information's, or the image's. */
static bool find_shared(struct wanted *w, const char *search, const char *link)
{
	const char *debug_file = w->image->debug_file;
	const char *from = debug_file ? debug_file : w->image->opened;
	int fd = debug_file ? image_open_regular(debug_file) : -1;
	Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
	bool is_found = (find_shared_id(elf, link, w) || find_shared_id(w->image->elf, link, w)) &&
			(try_shared(w, search, from, link) || try_server(w));

	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return is_found;
}

/* --- the callback ----------------------------------------------------------------------------- */

static void find_own(struct wanted *w, const char *search, const char *link)
{
	char invented[NAME_MAX];
	const char *base = strrchr(w->image->opened, '/');
	const void *id;
	ssize_t size = dwelf_elf_gnu_build_id(w->image->elf, &id);

	if (size > 0 && size <= IMAGE_BUILD_ID_MAX) {
		w->id = id;
		w->id_size = (size_t)size;
	}
	if (!link && w->id && base && strlen(base) < sizeof(invented) - sizeof(".debug")) {
		snprintf(invented, sizeof(invented), "%s.debug", base + 1);
		link = invented;
	}
	if (!w->id && (!link || !w->checksum))
		return;
	/* Only its last part: it is a file's own word where to look. */
	if (link && strrchr(link, '/'))
		link = strrchr(link, '/') + 1;
	if (!try_path(w, search, link) && w->id)
		try_server(w);
}

/* Only what is shared has a name and no checksum. */
int debug_file_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		    const char *file_name, const char *link, GElf_Word checksum, char **found_name)
{
	struct image *image = *userdata;
	struct wanted w = {.image = image, .checksum = checksum, .fd = -1};

	(void)module, (void)name, (void)base, (void)file_name;
	/* The vdso and what else is memory has none. */
	if (!image || !image->elf || !image->opened)
		return -1;
	if (link && !checksum) {
		find_shared(&w, images_debug_path(image->owner), link);
	} else {
		find_own(&w, images_debug_path(image->owner), link);
		free(image->debug_file);
		image->debug_file = w.name ? strdup(w.name) : NULL;
	}
	*found_name = w.name;
	return w.fd;
}
