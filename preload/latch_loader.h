/*
 * The dynamic loader's lock. While we have it no object is loaded, relocated or unloaded, so what
 * the loader's list names can be read and written.
 *
 * Its place is private to glibc, but need not be known: while our constructor runs, the thread is in
 * dlopen() and owns it, and it is the only recursive mutex in the loader's data of which that is true.
 */
#ifndef LOCKJAM_LATCH_LOADER_H
#define LOCKJAM_LATCH_LOADER_H

#include <stdbool.h>

/* In the constructor of a library that is being opened. False: the lock was not found. */
bool latch_loader_find(void);

/* Takes the lock if it is free; false if anybody has it, also this thread. Async-signal-safe. */
bool latch_loader_try(void);
/* The same, waiting for about a second in all. */
bool latch_loader_wait(void);
void latch_loader_release(void);

#endif
