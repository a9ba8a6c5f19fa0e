/*
 * Looks at a program's file before it is run: can the shim be loaded into it?
 */
#ifndef LOCKJAM_PROGRAM_H
#define LOCKJAM_PROGRAM_H

#include <stddef.h>

/*
 * The file that execvp() would take for `name`: itself with a slash in it, else searched in PATH.
 * 0, -ENOENT, -EACCES (it is there, but may not be executed), -ENAMETOOLONG.
 */
int program_find(const char *name, char *path, size_t size);

/*
 * Why ld.so will not load the shim into what `path` runs (a script's interpreter is followed): a
 * static text, NULL if nothing speaks against it or it cannot be told.
 */
const char *program_obstacle(const char *path);

#endif
