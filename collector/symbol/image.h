/*
 * Images: the ELF files that processes have mapped. One image stands for one (path, build-id), is
 * opened once, and serves any number of processes: two thousand servers share one libc. Addresses
 * here are the file's own (a process's address minus the module's bias).
 *
 * Paths come from records that any user may have written: only regular files are opened, and a
 * file whose build-id is not the recorded one gives no names.
 */
#ifndef LOCKJAM_IMAGE_H
#define LOCKJAM_IMAGE_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/proc/proc.h"

#define IMAGE_BUILD_ID_MAX 32

struct core;
/* image.problem of a file that never can have been a program or a library. */
extern const char image_is_no_elf[];

struct images;
struct symbol_cache; /* symbol.c */
struct debug_server;

struct image {
	char *path; /* as the process names it */
	uint8_t build_id[IMAGE_BUILD_ID_MAX];
	uint32_t build_id_size; /* of the process's module; 0 unknown */
	Elf *elf;               /* NULL: see problem */
	const char *problem;    /* why there is no file, a static text; NULL if there is one */
	bool is_noted;          /* the reader has been told of the problem */
	bool was_live;          /* a live process was asked for it, too */
	uint64_t low, high;     /* range of its segments; low as libdwfl computes it */
	struct symbol_cache *symbols;

	/* Private to image*.c and debug_file.c. */
	int fd;
	char *opened;     /* the path that was opened; NULL: it was no file with a path */
	char *root;       /* another root, where debug information may stand; NULL none */
	char *debug_file; /* with its separate debug information; NULL none, or not looked for */
	char *memory;
	struct image *next;
	Dwfl *dwfl;
	Dwfl_Module *module;
	const struct images *owner;
};

/* What a process knows of a file. */
struct image_request {
	const char *path; /* absolute, or one of the vdso's names */
	const uint8_t *build_id;
	uint32_t build_id_size;  /* 0 unknown */
	const char *file;        /* to be taken instead, wherever it is; NULL none */
	const struct core *core; /* that holds the process's memory, NULL none */
	pid_t pid;               /* of a live process that has it mapped, 0 none */
	uint64_t start, end; /* of one mapping of it in that process, as its maps say; 0 unknown */
};

/*
 * sysroot: where paths are looked up, NULL "/". debug_path: where separate debug information is
 * looked for, in libdwfl's syntax; NULL: its default. NULL if memory is out.
 */
struct images *images_new(const struct proc *proc, const char *sysroot, const char *debug_path);
void images_free(struct images *images);
/* Before the first image is asked for. 0 or -ENOMEM. */
int images_set_debug_path(struct images *images, const char *debug_path);
const char *images_debug_path(const struct images *images);
/* Who is asked for debug information that is not here, NULL nobody. */
struct debug_server *images_server(const struct images *images);

/* The image, maybe one without a file; NULL if memory is out. */
struct image *images_get(struct images *images, const struct image_request *request);
/* Whether images_get() would have nothing left to try. */
bool images_has(const struct images *images, const struct image_request *request);

/* A module of its own for symbols and DWARF, with addresses of the file; NULL without a file. */
Dwfl_Module *image_module(struct image *image);

/* For a Dwfl of one's own, whose modules' userdata are images (NULL: a module without a file). */
const Dwfl_Callbacks *images_callbacks(const struct images *images);

/* Copies what the file holds at an address of a read-only segment; false if it cannot. */
bool image_read(struct image *image, uint64_t address, void *data, size_t size);
/* The address lies in an executable segment. */
bool image_is_code(struct image *image, uint64_t address);

/* Where a mapping of file offset `offset` is linked to; false if no segment has it. */
bool image_address_of_offset(struct image *image, uint64_t offset, uint64_t *address);

#endif
