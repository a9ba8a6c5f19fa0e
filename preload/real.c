/* The table of libc's own functions: see real.h. */
#include <dlfcn.h>

#include "preload/lookup.h"
#include "preload/real.h"

struct real real_functions;
bool real_ready;

/*
 * dlsym without a version gives the default one, which is right for every name in real.def:
 * fcntl and fcntl64 are one function on 64-bit machines whatever their version.
 */
static void *find(const char *name)
{
	/* What stood before libc when the program began (another preload, an allocator) stays there. */
	void *function = lookup_is_late() ? lookup_next(name) : NULL;

	/* Of a late one, only libc and the loader are next. */
	return function ? function : dlsym(RTLD_NEXT, name);
}

void real_resolve(void)
{
	static bool busy;

	if (busy)
		return;
	busy = true;
#define REAL(result, name, parameters) \
	real_functions.name = (__typeof__(real_functions.name))find(#name);
#include "preload/real.def"
#undef REAL
	__atomic_store_n(&real_ready, true, __ATOMIC_RELEASE);
	busy = false;
}
