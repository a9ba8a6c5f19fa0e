/*
 * The case that lockjam was made for, as a model built by hand: a mail server whose holder of a
 * WRITE lock waits for itself in the heap while two others queue behind it.
 */
#ifndef LOCKJAM_TESTS_RENDER_FIXTURE_H
#define LOCKJAM_TESTS_RENDER_FIXTURE_H

#include "cli/render.h"

#define FIXTURE_EXE "/usr/cyrus/bin/imapd"
#define FIXTURE_PATH "/datastore/imap-mails/user/projects/cyrus.index"

uint32_t fixture_process(struct model *m, pid_t pid, const char *name);
uint32_t fixture_file(struct model *m, uint64_t ino, const char *path);
/* A lock on the whole file, nothing else known of it. */
uint32_t fixture_lock(struct model *m, enum lock_state state, uint32_t process, uint32_t file);
uint32_t fixture_wait(struct model *m, uint32_t process, uint32_t file, uint32_t blocker);

/* The case. Times are such that the clock shows 2015-03-01 12:00:00 UTC (TZ is set to it). */
struct model *fixture_case(void);

/* What a renderer prints; malloc'ed. `which`: its member. */
enum fixture_output { FIXTURE_GRAPH, FIXTURE_REPORT, FIXTURE_SIGNALS };
char *fixture_render(struct model *m, const char *format, enum fixture_output which);

#endif
