/*
 * Wrappers in C that a thunk of unsafe.def leads to: the thunk has the exported name.
 */
#ifndef LOCKJAM_WRAP_H
#define LOCKJAM_WRAP_H

#include <stdio.h>
#include <sys/types.h>

int wrap_fclose(FILE *stream) __attribute__((visibility("hidden")));
pid_t wrap_fork(void) __attribute__((visibility("hidden")));

#endif
