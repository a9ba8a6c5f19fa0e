/*
 * A subcommand: one file that exports one of these, and one line in the table of main.c.
 */
#ifndef LOCKJAM_COMMAND_H
#define LOCKJAM_COMMAND_H

/* Exit statuses of all commands but `run`, which hands on its child's (cmd_run.c). */
enum {
	EXIT_CLEAN = 0,    /* nothing is wrong */
	EXIT_FINDINGS = 1, /* findings of severity error or warning */
	EXIT_TROUBLE = 2,  /* usage, or nothing could be read or written */
};

struct command {
	const char *name;
	const char *args;    /* what --help shows behind the name */
	const char *summary; /* one line, no full stop */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
};

#endif
