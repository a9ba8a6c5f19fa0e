/*
 * Separate debug information of an image: by build-id, by .gnu_debuglink, shared between several
 * files (.gnu_debugaltlink, what dwz makes), and from a debuginfod server.
 *
 * libdwfl's own search opens whatever stands at a name that anybody may have written, and maps it.
 * This one opens regular files only, and of those that others could cut in that moment it gives
 * libdwfl a copy. A file counts if its build-id is the image's; without one, if its checksum is
 * right.
 */
#ifndef LOCKJAM_DEBUG_FILE_H
#define LOCKJAM_DEBUG_FILE_H

#include <elfutils/libdwfl.h>

/* libdwfl's default, and its syntax: "" the image's folder, relative below it, absolute a root. */
#define DEBUG_FILE_PATH ":.debug:/usr/lib/debug"

/* Dwfl_Callbacks.find_debuginfo of modules whose userdata are images. */
int debug_file_find(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		    const char *file_name, const char *link, GElf_Word checksum, char **found_name);

#endif
