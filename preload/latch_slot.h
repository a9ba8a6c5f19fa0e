/*
 * The words that are changed: found in all objects, changed in one pass, with the protection of their
 * pages as it was afterwards. Only with the loader's lock, signals blocked.
 */
#ifndef LOCKJAM_LATCH_SLOT_H
#define LOCKJAM_LATCH_SLOT_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Makes every reference in the objects behind `after` (NULL: in all) lead to our wrappers. `*last` becomes
 * the last object that was looked at. The number of words changed, or a negative errno: then none is.
 */
int64_t latch_slot_redirect(const struct link_map *after, const struct link_map **last);

/* Puts back every word, in any object, that leads to a wrapper of ours. As above. */
int64_t latch_slot_restore(void);

/* Were there words that could not be changed, since the last redirection of all objects? */
bool latch_slot_is_partial(void);

#endif
