/*
 * What a late shim puts in front of the loader's functions, to learn of new objects. Assembly (thunk-*.S): each
 * calls its hook and then jumps on with registers and stack as they came, because the loader looks at
 * who its caller is (RUNPATH, RTLD_NEXT, the namespace).
 */
#ifndef LOCKJAM_LATCH_THUNK_H
#define LOCKJAM_LATCH_THUNK_H

#include <stdint.h>

void latch_dlopen(void) __attribute__((visibility("hidden")));
void latch_dlclose(void) __attribute__((visibility("hidden")));
void latch_dlsym(void) __attribute__((visibility("hidden")));
void latch_dlvsym(void) __attribute__((visibility("hidden")));

/* Where they jump to. */
extern uintptr_t latch_dlopen_real __attribute__((visibility("hidden")));
extern uintptr_t latch_dlclose_real __attribute__((visibility("hidden")));
extern uintptr_t latch_dlsym_real __attribute__((visibility("hidden")));
extern uintptr_t latch_dlvsym_real __attribute__((visibility("hidden")));

/* The hooks, in latch.c: before an object is loaded, unloaded, asked for a function. Keep errno. */
void latch_before_load(void) __attribute__((visibility("hidden")));
void latch_before_unload(void) __attribute__((visibility("hidden")));
void latch_before_symbol(void) __attribute__((visibility("hidden")));

#endif
