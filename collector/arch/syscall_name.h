/* The names of all system calls of the processor that lockjam was built for. */
#ifndef LOCKJAM_SYSCALL_NAME_H
#define LOCKJAM_SYSCALL_NAME_H

#include <stdbool.h>

/* A static text, NULL unknown. */
const char *syscall_name(long number);

/* Whether its first argument is the one descriptor that it is about. */
bool syscall_has_descriptor(long number);

#endif
