/*
 * Findings that the user knows about and does not want to be told: a file of suppressions, one a
 * line (lockjam-suppressions(5)):
 *
 *     KIND [function=PATTERN] [handler=PATTERN] [program=PATTERN] [signal=NAME]
 *
 * KIND is a finding's id or `*`, PATTERN as in fnmatch(3) without flags. # begins a comment.
 */
#ifndef LOCKJAM_SUPPRESS_H
#define LOCKJAM_SUPPRESS_H

#include <stdbool.h>

#include "cli/options.h"
#include "collector/model/model.h"

#define SUPPRESS_ENV "LOCKJAM_SUPPRESS" /* the file, where no option names one */

struct suppressions;

/* The file of --suppress, else of LOCKJAM_SUPPRESS; NULL: none. */
const char *suppress_path(const struct options *o);

/* Reads the file. 0, or the exit status of trouble after what is wrong was said. Free it. */
int suppress_read(const char *path, struct suppressions **list);
void suppress_free(struct suppressions *list);

/*
 * Takes the matching findings out of the model, and says so in a note of it. `tell_unused`: another
 * note for each line that matches nothing. Returns how many there were.
 */
uint32_t suppress_apply(struct suppressions *list, struct model *m, bool tell_unused);

#endif
