/*
 * The objects of the process and where they keep the addresses of functions of others. Only with the
 * loader's lock. Reads what the loader itself has read and relocated, so it is believed.
 */
#ifndef LOCKJAM_LATCH_OBJECT_H
#define LOCKJAM_LATCH_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct latch_object {
	const struct link_map *map;
	uintptr_t start, end; /* mapped range */
	const ElfW(Sym) *symbols;
	const char *strings;
	const ElfW(Rela) *relocations, *calls; /* DT_RELA, DT_JMPREL */
	size_t relocation_count, call_count;
	const ElfW(Half) *versions;    /* DT_VERSYM, or NULL */
	const ElfW(Verneed) *needed;   /* DT_VERNEED, or NULL */
};

/*
 * Fills `object`; false where nothing is to be changed: our own module, the loader, the kernel's, and
 * what the loader has not made ready.
 */
bool latch_object_open(struct latch_object *object, const struct link_map *map);

/* One address by which the object calls, or could call, a function by name. */
struct latch_reference {
	uintptr_t *slot;
	const char *name;
	bool is_call;     /* bound when it is first called, if the object was linked so */
	bool is_external; /* the object does not define the name */
	uint32_t symbol;  /* of the object */
};

typedef void latch_reference_fn(void *data, const struct latch_object *object,
				const struct latch_reference *reference);
void latch_object_references(const struct latch_object *object, latch_reference_fn *each,
			     void *data);

/* The version of the name that the object asks for, NULL where it does not say. */
const char *latch_object_version(const struct latch_object *object, uint32_t symbol);

#endif
