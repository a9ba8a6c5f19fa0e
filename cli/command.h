/*
 * A subcommand: one file that exports one of these, and one line in the table of main.c.
 */
#ifndef LOCKJAM_COMMAND_H
#define LOCKJAM_COMMAND_H

#include "cli/options.h"

/* Exit statuses of all commands but `run`, which hands on its child's (cmd_run.c). */
enum {
	EXIT_CLEAN = 0,    /* nothing is wrong */
	EXIT_FINDINGS = 1, /* findings of severity error or warning */
	EXIT_TROUBLE = 2,  /* usage, or nothing could be read or written */
};

struct command {
	const char *name;
	const char *args;              /* what --help shows behind the name */
	const char *summary;           /* one line, no full stop */
	const enum option_id *options; /* those it takes, OPTION_END last */
	bool ends_options; /* the first operand ends them: the rest is another command's */
	int usage_status;  /* exit status of wrong usage; 0: EXIT_TROUBLE */
	int (*run)(const struct options *options); /* returns the exit status */
};

extern const struct command command_attach;
extern const struct command command_run;
extern const struct command command_graph;
extern const struct command command_report;
extern const struct command command_stacks;
extern const struct command command_signals;
extern const struct command command_why;
extern const struct command command_env;

#endif
