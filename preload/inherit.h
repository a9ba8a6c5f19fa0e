/*
 * The locks that a forked child shares with its parent: those of open file descriptions (OFD,
 * flock). The forking thread copies them before the fork, because the child no longer sees the
 * parent's record as it was; the child puts them into its own segment at once, so that the lock has a
 * known owner when the parent is gone. POSIX locks are not inherited.
 */
#ifndef LOCKJAM_INHERIT_H
#define LOCKJAM_INHERIT_H

#include <stdbool.h>

/* Before fork, in the parent. Remembers in shim_self what there is to share. */
void inherit_prepare(void);

/* After it, in the parent (also when it failed). */
void inherit_parent(void);

/* After it, in the child: makes its segment if there is something to put in. */
void inherit_child(void);

#endif
