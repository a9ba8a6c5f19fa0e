/*
 * debuginfod: debug information over HTTP by build-id, from the servers that the user's
 * DEBUGINFOD_URLS names (debuginfod(8)). Without that variable nothing is ever asked. elfutils'
 * libdebuginfod does it, loaded when it is first needed.
 *
 * A server that is silent must not hang us: each request may be without an answer for
 * DEBUGINFOD_TIMEOUT seconds (here 5 by default) and all together take DEBUG_SERVER_ALL_S; after
 * that nobody is asked any more, which debug_server_problem() says.
 */
#ifndef LOCKJAM_DEBUG_SERVER_H
#define LOCKJAM_DEBUG_SERVER_H

#include <stddef.h>

#define DEBUG_SERVER_SILENT_S 5
#define DEBUG_SERVER_ALL_S 60

struct debug_server;

/* NULL if there is nobody to ask, or memory is out. */
struct debug_server *debug_server_new(void);
void debug_server_free(struct debug_server *s);

/* The file with the debug information of a build-id, as a path in the user's cache, to be freed;
 * NULL if no server has it. `s` may be NULL. */
char *debug_server_find(struct debug_server *s, const unsigned char *id, size_t size);

/* Why it is not asked any more, a static text; NULL if it is, or if there is none. */
const char *debug_server_problem(const struct debug_server *s);

#endif
