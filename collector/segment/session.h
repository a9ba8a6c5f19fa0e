/*
 * Directories of sessions: made, listed, counted, removed.
 */
#ifndef LOCKJAM_SESSION_H
#define LOCKJAM_SESSION_H

#include "collector/collect.h"

/* The base under which sessions of this user are made: /run/lockjam for root (made with mode 0755),
 * else /dev/shm/lockjam-<uid>. */
int session_base(char *path, size_t size);
/* Makes a new session directory (mode 1733 for root, else 0700) under the base or exactly at `dir`
 * if not NULL (which may exist if it is empty or a session). */
int session_create(const char *dir, char *path, size_t size, struct collect_error *error);
/* How many of its recorded processes still run; negative errno. */
int session_live_count(const char *path);
/* By which signal the process was ended: into its record, after it was waited for. Where there is none, or
 * it may not be written, nothing happens. */
void session_note_killed(const char *path, pid_t pid, int signo);
/* Removes a session's files and its directory; refuses (-EINVAL) what is no session. */
int session_remove(const char *path);

/* Whether it has records already; negative errno. */
int session_has_records(const char *path);
/* Whether the directory carries the mark of a session. */
bool session_is_marked(const char *path);
/* All directories where sessions may be, sorted; each and the array malloc'ed. Their number. */
ssize_t session_list(char ***paths);

#endif
