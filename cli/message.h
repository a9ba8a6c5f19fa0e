/*
 * All that the command says on stderr: one line, `lockjam: OBJECT: CAUSE (what to do)`.
 */
#ifndef LOCKJAM_MESSAGE_H
#define LOCKJAM_MESSAGE_H

#include "collector/collector.h"

/* object and advice may be NULL or "". Control characters of all three are escaped. */
void message(const char *object, const char *cause, const char *advice);
void message_error(const struct collect_error *error);

/*
 * Standard output could not be written (cause: errno, 0 unknown). Nobody is there to read after a
 * broken pipe: then lockjam ends by SIGPIPE, also where that was ignored. Returns the exit status.
 */
int message_output_failed(int cause);

#endif
