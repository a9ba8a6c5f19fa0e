/*
 * Reduces a model to what the targets are about: the chosen processes and files, everybody who
 * stands at the same files, and the chain of waits that leads from there to the root cause.
 */
#ifndef LOCKJAM_SELECT_H
#define LOCKJAM_SELECT_H

#include "collector/source/source.h"

/*
 * Without targets everything stays and is a target. 0, or -ENOENT (no such process) or -EACCES
 * with *error filled.
 */
int select_targets(struct gather *g, struct collect_error *error);

/* select_path.c: keeps the files that the path means, and nothing else. Whether there are any. */
bool select_path(struct gather *g, const char *name, bool *is_kept);

/* select_open.c: keeps the locked files that targets without any lock have open, and notes them. */
void select_open(struct gather *g, bool *is_kept);

/* The pure half: keeps processes that are is_target, files of `is_kept` (by resource, extended by
 * this), and what belongs to them; closes the segments of the others. 0 or -ENOMEM. */
int select_reduce(struct gather *g, bool *is_kept);

#endif
