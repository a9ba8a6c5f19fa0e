/*
 * What the commands that read have in common: from their options to a view.
 */
#ifndef LOCKJAM_READ_H
#define LOCKJAM_READ_H

#include "cli/options.h"
#include "cli/view.h"

struct reading {
	struct collector *collector;
	struct collect_target
		*targets; /* the operands: digits are a PID, all else a name or path */
	struct view view;
	uint32_t suppressed; /* findings, by the user's file */
};

/* More than the graph needs. */
enum reading_wants {
	READING_EVENTS = 1,
	READING_HANDLERS = 2,
	READING_THREADS = 4, /* of the targets; stops running ones unless the options forbid it */
};

/*
 * Collects what the options ask for; o->dir may be a directory or one segment file. 0, or the exit
 * status after what is wrong was said.
 */
int reading_open(struct reading *r, const struct options *o, enum reading_wants wants);
void reading_close(struct reading *r);

/* All of it on standard output, as `lockjam report` has it; the exit status. */
int reading_report(const struct options *o);

/* The operands as targets, as many; malloc'ed, NULL if memory is out. */
struct collect_target *reading_targets(const struct options *o);

/* A PID, or 0 if the text is none. */
pid_t reading_pid(const char *text);

#endif
