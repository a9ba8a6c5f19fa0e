/* See named.h. */
#include <stdlib.h>
#include <string.h>

#include "preload/latch_slot.h"
#include "preload/latch_wrapper.h"
#include "preload/lookup.h"
#include "preload/named.h"
#include "preload/shim.h"
#include "preload/thunk.h"

#define LIST_BYTES 4096

static char list[LIST_BYTES]; /* a copy: the program may change its environment */

/* Has the name got a thunk? */
static bool take(const char *name)
{
	struct latch_wrapper w = {0};
	void *function = *name ? lookup_first(name, &w.is_libc_only, &w.version) : NULL;
	void *thunk = function && !latch_wrapper(name) ? thunk_spare(name, function) : NULL;

	if (!thunk)
		return false;
	w.function = (uintptr_t)function;
	w.wrapper = (uintptr_t)thunk;
	latch_wrapper_add(name, &w);
	return true;
}

static bool take_all(const char *names)
{
	bool is_any = false;
	char *rest;

	strncpy(list, names, sizeof(list) - 1);
	for (char *name = strtok_r(list, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
		is_any |= take(name);
	return is_any;
}

static void note_partial(void)
{
	int saved_errno;

	if (!shim_begin(&saved_errno))
		return;
	segment_limit(SEG_LIMIT_PARTIAL);
	shim_end(saved_errno);
}

void named_init(void)
{
	const char *names = getenv(SEG_ENV_UNSAFE);

	if (!names || !*names || !take_all(names))
		return;
	if (latch_slot_redirect(NULL, NULL) < 0 || latch_slot_is_partial())
		note_partial();
}
