/*
 * Finding the function that a wrapper stands in front of, without dlsym: no lock, no allocation,
 * and the program's dlerror() is not touched. Works from the moment the loader has relocated us.
 */
#ifndef LOCKJAM_LOOKUP_H
#define LOCKJAM_LOOKUP_H

/*
 * The default version of the function `name` in the first module behind ours in the loader's
 * order, then in those before it (when the shim was loaded late). NULL if no module has it. The
 * program itself comes before us: what it defines it calls without us. Only modules loaded at the
 * start of the program are searched once the constructor has run. Async-signal-safe.
 */
void *lookup_next(const char *name);

/* Fixes the list of modules; called by the constructor. */
void lookup_init(void);

#endif
