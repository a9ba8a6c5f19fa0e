/*
 * Finding the function that a wrapper stands in front of, without dlsym: no lock, no allocation,
 * and the program's dlerror() is not touched. Works from the moment the loader has relocated us.
 */
#ifndef LOCKJAM_LOOKUP_H
#define LOCKJAM_LOOKUP_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The default version of the function `name` in the first module behind ours in the loader's
 * order, then in those before it. Where the shim was loaded late: in the first module of the loader's
 * order, up to libc. NULL if no module has it. The
 * program itself comes before us: what it defines it calls without us. Only modules loaded at the
 * start of the program are searched once the constructor has run. Async-signal-safe.
 */
void *lookup_next(const char *name);

/*
 * What the objects of the start call by this name: the default version in the first module of the loader's
 * order. NULL if none has it, or the shim does. `is_only`: no other version leads elsewhere.
 * `version`: its name, or NULL.
 */
void *lookup_first(const char *name, bool *is_only, const char **version);

/* Fixes the list of modules; called by the constructor. */
void lookup_init(void);

/* Was the shim opened by a running program, instead of preloaded? Async-signal-safe, as all below. */
bool lookup_is_late(void);

const struct link_map *lookup_own_module(void);

/* Each function that the shim itself exports. */
void lookup_each_exported(void (*each)(const char *name, void *function));

/* libc's own function, whoever else has one of that name; NULL before libc stands before us. */
void *lookup_libc(const char *name);

/*
 * Is `function` what libc has under this name, in every version of it? Then a call that is not bound
 * yet can lead nowhere else, unless a library before libc has the name too.
 */
bool lookup_is_libc_only(const char *name, const void *function);

/* The version under which libc has the function `name` by default, or NULL. */
const char *lookup_libc_version(const char *name);

/* A variable of the first module that has it. For the constructor: any module is looked at. */
void *lookup_variable(const char *name, uint64_t *size);

#endif
