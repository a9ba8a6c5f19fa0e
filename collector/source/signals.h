/*
 * What the kernel tells of the signals of processes, recorded or not: caught, ignored, blocked and
 * pending. Which functions are the handlers only a record tells.
 */
#ifndef LOCKJAM_SIGNALS_SOURCE_H
#define LOCKJAM_SIGNALS_SOURCE_H

#include "collector/source/source.h"

/* Of all living targets, after they were chosen. What could not be read becomes a note. */
void signals_read(struct gather *g);

/* How often the threads have slept that a handler came into. */
void signals_read_sleeps(struct gather *g);

/*
 * After signals_read(): looks again, for the threshold's time, at processes for which a signal is pending that all
 * their threads block. Nothing to wait for where there are none, or the tree is a recorded one.
 */
void signals_watch(struct gather *g);

/* senders.c: who sent the last signals, of all handlers. */
void senders_name(struct gather *g);

/* servers.c: the connections of those that SIGPIPE would end. */
void servers_read(struct gather *g);

/* zombies.c: the children of these processes that have ended and were not waited for. */
void zombies_read(struct gather *g);

#endif
