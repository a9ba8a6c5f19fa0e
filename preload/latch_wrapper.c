/*
 * Which function stands for which: see latch_wrapper.h. What the shim exports stands for what
 * lookup_next() finds under the same name, as when it is preloaded; only a late shim needs the others.
 */
#include <assert.h>
#include <string.h>

#include "preload/latch_environment.h"
#include "preload/latch_thunk.h"
#include "preload/latch_wrapper.h"
#include "preload/lookup.h"
#include "preload/thunk.h"

#define SLOTS 8192
static_assert(THUNK_COUNT + 128 < SLOTS / 2, "room for all that is exported");

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static struct {
	struct {
		const char *name;
		struct latch_wrapper wrapper;
	} slots[SLOTS];
} table;

static uint32_t find(const char *name)
{
	uint32_t hash = 5381;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	for (hash %= SLOTS; table.slots[hash].name; hash = (hash + 1) % SLOTS)
		if (strcmp(table.slots[hash].name, name) == 0)
			break;
	return hash;
}

const struct latch_wrapper *latch_wrapper(const char *name)
{
	uint32_t slot = find(name);

	return table.slots[slot].name ? &table.slots[slot].wrapper : NULL;
}

bool latch_wrapper_is_ours(uintptr_t address)
{
	return address >= (uintptr_t)__ehdr_start && address < (uintptr_t)_end;
}

void latch_wrapper_add(const char *name, const struct latch_wrapper *wrapper)
{
	uint32_t slot = find(name);

	table.slots[slot].name = name;
	table.slots[slot].wrapper = *wrapper;
}

static void add(const char *name, const void *wrapper)
{
	void *function = lookup_next(name);
	struct latch_wrapper w = {
		.wrapper = (uintptr_t)wrapper,
		.function = (uintptr_t)function,
		.is_libc_only = function && lookup_is_libc_only(name, function),
		.version = function && function == lookup_libc(name) ? lookup_libc_version(name) : NULL,
	};

	latch_wrapper_add(name, &w);
}

static void add_exported(const char *name, void *function)
{
	add(name, function);
}

/* In front of libc's, or of the thunk that we export in front of libc's; the result is which. */
static uintptr_t add_in_front(const char *name, const void *wrapper)
{
	struct latch_wrapper *known = &table.slots[find(name)].wrapper;
	uintptr_t behind = known->wrapper;

	if (behind)
		known->wrapper = (uintptr_t)wrapper;
	else
		add(name, wrapper);
	return behind ? behind : known->function;
}

bool latch_wrapper_init(void)
{
	lookup_each_exported(add_exported);
	latch_dlopen_real = add_in_front("dlopen", (const void *)latch_dlopen);
	latch_dlclose_real = add_in_front("dlclose", (const void *)latch_dlclose);
	latch_dlsym_real = add_in_front("dlsym", (const void *)latch_dlsym);
	latch_dlvsym_real = add_in_front("dlvsym", (const void *)latch_dlvsym);
	add("posix_spawn", (const void *)latch_posix_spawn);
	add("posix_spawnp", (const void *)latch_posix_spawnp);
	return latch_dlopen_real && latch_dlclose_real && latch_dlsym_real && latch_dlvsym_real;
}
