/*
 * Has what /proc/locks says of the recorded processes changed? One file is read per look, and no
 * process. Lines of others on other files do not count.
 */
#ifndef LOCKJAM_SAMPLE_WATCH_H
#define LOCKJAM_SAMPLE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/model/index.h"
#include "collector/model/model.h"
#include "collector/proc/proc.h"

/* All zero but proc is one that knows nobody. */
struct sample_watch {
	const struct proc *proc;
	bool wants_strangers; /* a pid that was never seen before may be of a target's name */
	struct index pids, inodes;
	struct index strangers;
	char *text; /* of the last reading */
	size_t length;
	uint64_t digest; /* of the lines that matter */
};

/* Whether the lines that matter are others than at the last time; negative errno: not readable. */
int sample_watch_look(struct sample_watch *w);
/* What matters from now on: the processes and files of this model. Then the lines are read again,
 * so that a change since the model was made is seen at the next time. False: memory is out. */
bool sample_watch_learn(struct sample_watch *w, const struct model *m);
void sample_watch_done(struct sample_watch *w);

#endif
