/*
 * The words that are changed: see latch_slot.h.
 *
 * A word is changed only if it holds exactly what our wrapper stands for, the function that lookup_next()
 * finds: what leads elsewhere (to another version, another namespace, a function of the object's own) is left
 * alone. One that is not bound yet leads into its own object; it is changed if it can only be bound to
 * libc, and what it was is remembered. All by compare-and-swap: a thread that binds a call at the same
 * moment wins, and is met again by the next pass.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "preload/latch_object.h"
#include "preload/latch_page.h"
#include "preload/latch_slot.h"
#include "preload/latch_wrapper.h"
#include "preload/sys.h"

#define CHANGES (1 << 18) /* 6 MiB, of which only what is used is had */
#define UNBOUND (1 << 16) /* a power of two */
#define PROBES 64

/* What a word was that had not been bound yet. Kept until the recorder is taken off. */
struct unbound {
	uintptr_t *slot;
	uintptr_t value;
};

static struct {
	struct unbound *unbound;
	bool is_partial;
} slots;

/* --- words that were not bound yet -------------------------------------------------------------- */

/* The entry of the slot, or the free one where it belongs; NULL where there is no room. */
static struct unbound *unbound_entry(const uintptr_t *slot)
{
	uint64_t hash = ((uintptr_t)slot >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 40;

	for (uint32_t n = 0; slots.unbound && n < PROBES; n++) {
		struct unbound *entry = &slots.unbound[(hash + n) % UNBOUND];

		if (!entry->slot || entry->slot == slot)
			return entry;
	}
	return NULL;
}

static bool remember(const struct latch_reference *reference)
{
	struct unbound *entry = unbound_entry(reference->slot);

	if (!entry)
		return false;
	*entry = (struct unbound){reference->slot, *reference->slot};
	return true;
}

/* Another object may have come to stand where one was whose word is remembered. */
static void forget(const struct latch_reference *reference)
{
	struct unbound *entry = reference->is_call ? unbound_entry(reference->slot) : NULL;

	if (entry && entry->slot)
		entry->value = 0;
}

static uintptr_t value_before(const struct latch_object *object,
			      const struct latch_reference *reference, uintptr_t function)
{
	const struct unbound *entry = reference->is_call ? unbound_entry(reference->slot) : NULL;

	if (entry && entry->slot && entry->value >= object->start && entry->value < object->end)
		return entry->value;
	return function;
}

/* --- finding ------------------------------------------------------------------------------------ */

struct search {
	struct latch_changes *changes;
	bool is_back;
	bool is_full;
};

static void add(struct search *s, uintptr_t *slot, uintptr_t from, uintptr_t to)
{
	struct latch_changes *c = s->changes;

	if (c->count == CHANGES) {
		s->is_full = true;
		return;
	}
	c->items[c->count++] = (struct latch_change){slot, from, to, false};
}

static bool is_unbound(const struct latch_object *o, const struct latch_reference *r, uintptr_t value)
{
	return r->is_call && r->is_external && value >= o->start && value < o->end;
}

/* Can it be bound to nothing but what our wrapper stands for? */
static bool is_certain(const struct latch_object *o, const struct latch_reference *r,
		       const struct latch_wrapper *w)
{
	const char *version;

	if (w->is_libc_only)
		return true;
	version = w->version ? latch_object_version(o, r->symbol) : NULL;
	return version && strcmp(version, w->version) == 0;
}

static void find_forward(struct search *s, const struct latch_object *o,
			 const struct latch_reference *r)
{
	const struct latch_wrapper *w = latch_wrapper(r->name);
	uintptr_t value;

	if (!w || !w->function)
		return;
	value = __atomic_load_n(r->slot, __ATOMIC_RELAXED);
	if (value == w->function) {
		forget(r);
		add(s, r->slot, value, w->wrapper);
	} else if (is_unbound(o, r, value) && is_certain(o, r, w) && remember(r)) {
		add(s, r->slot, value, w->wrapper);
	} else if (is_unbound(o, r, value)) {
		slots.is_partial = true;
	}
}

static void find_back(struct search *s, const struct latch_object *o,
		      const struct latch_reference *r)
{
	uintptr_t value = __atomic_load_n(r->slot, __ATOMIC_RELAXED);
	const struct latch_wrapper *w;

	if (!latch_wrapper_is_ours(value))
		return;
	w = latch_wrapper(r->name);
	if (w && w->wrapper == value)
		add(s, r->slot, value, value_before(o, r, w->function));
}

static void find_one(void *data, const struct latch_object *object,
		     const struct latch_reference *reference)
{
	struct search *s = data;

	if (s->is_back)
		find_back(s, object, reference);
	else
		find_forward(s, object, reference);
}

/* `after` is only compared: it may be gone; then all objects are looked at. */
static const struct link_map *first_behind(const struct link_map *after)
{
	for (const struct link_map *m = _r_debug.r_map; after && m; m = m->l_next)
		if (m == after)
			return m->l_next;
	return _r_debug.r_map;
}

static const struct link_map *find_all(struct search *s, const struct link_map *after)
{
	const struct link_map *last = after;
	struct latch_object object;

	for (const struct link_map *m = first_behind(after); m; m = m->l_next) {
		if (latch_object_open(&object, m))
			latch_object_references(&object, find_one, s);
		last = m;
	}
	return last;
}

/* --- the verbs ---------------------------------------------------------------------------------- */

static void *pages(size_t size)
{
	return sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

static int64_t change_all(struct search *s, const struct link_map *after,
			  const struct link_map **last)
{
	size_t size = sizeof(struct latch_changes) + CHANGES * sizeof(struct latch_change);
	const struct link_map *end;
	int64_t result;

	s->changes = pages(size);
	if (!s->changes)
		return -ENOMEM;
	end = find_all(s, after);
	result = s->is_full ? -E2BIG : latch_page_change(s->changes);
	if (result >= 0 && last)
		*last = end;
	sys_munmap(s->changes, size);
	return result;
}

int64_t latch_slot_redirect(const struct link_map *after, const struct link_map **last)
{
	struct search s = {0};

	if (!slots.unbound)
		slots.unbound = pages(UNBOUND * sizeof(struct unbound));
	if (!after)
		slots.is_partial = false;
	return change_all(&s, after, last);
}

int64_t latch_slot_restore(void)
{
	struct search s = {.is_back = true};
	int64_t result = change_all(&s, NULL, NULL);

	if (result >= 0 && slots.unbound) {
		sys_munmap(slots.unbound, UNBOUND * sizeof(struct unbound));
		slots.unbound = NULL;
	}
	return result;
}

bool latch_slot_is_partial(void)
{
	return slots.is_partial;
}
