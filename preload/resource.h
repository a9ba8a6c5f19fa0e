/*
 * Files that were locked: (device, inode) -> index into SEG_RESOURCES. Only inside a bracket.
 * Lock-free and async-signal-safe.
 */
#ifndef LOCKJAM_RESOURCE_H
#define LOCKJAM_RESOURCE_H

#include <stdint.h>
#include <sys/stat.h>

/* The resource of a file, recorded at first sight with the path of `fd`; 0 if there is no room. */
uint32_t resource_of(const struct stat *st, int fd);

/* The same, but 0 if the file was never locked here. */
uint32_t resource_find(uint64_t dev, uint64_t ino);

/* For what a former image or the parent recorded: the path is known. */
uint32_t resource_add(uint64_t dev, uint64_t ino, const char *path);

#endif
