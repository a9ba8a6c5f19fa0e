/*
 * What is known about the program's descriptors: the open file description behind each, as far as
 * locks go, and the file that was last locked through it. Kept over fork (the descriptors are, too).
 *
 * It is a memory, not the truth: a descriptor may be closed where the shim does not see it (inside
 * libc, or by a raw system call). Whoever relies on it checks that the file is still the same.
 */
#ifndef LOCKJAM_DESCRIPTOR_H
#define LOCKJAM_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

/* Number of the open file description, 0 if none was given yet. */
uint64_t descriptor_ofd(int fd);
void descriptor_set_ofd(int fd, uint64_t ofd);
/* A number that no process of this host uses: pid << 32 | counter. */
uint64_t descriptor_new_ofd(void);

/* The resource that was last locked through fd in this epoch, 0 if unknown. */
uint32_t descriptor_resource(int fd);
void descriptor_set_resource(int fd, uint32_t resource);

/* Another descriptor than `fd` with the same open file description, or -1. */
int descriptor_other(uint64_t ofd, int fd);

/* dup and its like succeeded: both now share one description. */
void descriptor_duplicated(int from, int to);
/* All is forgotten: for a time nobody has watched. */
void descriptor_reset(void);
/* fd is closed; the caller has dealt with its locks. */
void descriptor_closed(int fd);

/* kcmp(2): do two descriptors of this process share one description? 1, 0, or -1 unknown. */
int descriptor_same_file(int a, int b);

/* One above the highest descriptor that was ever noted. */
int descriptor_limit(void);

#endif
