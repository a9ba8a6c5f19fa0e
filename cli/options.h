/*
 * The command line: one table of options (options.c), from which each command takes its own.
 */
#ifndef LOCKJAM_OPTIONS_H
#define LOCKJAM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/collector.h"

struct command;
struct renderer;

enum option_id {
	OPTION_END = 0,
	OPTION_ALL = 'a',
	OPTION_DIR = 'o',
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
	/* Without a short form: */
	OPTION_DETACH = 256,
	OPTION_DURATION,
	OPTION_FORMAT,     /* of the reading commands: text, json */
	OPTION_ENV_FORMAT, /* of `env`: shell, systemd */
	OPTION_ERROR_EXITCODE,
	OPTION_EXE,
	OPTION_INJECT,
	OPTION_INTERVAL,
	OPTION_LONG_HOLD,
	OPTION_LONG_WAIT,
	OPTION_MAX_FRAMES,
	OPTION_NO_STOP,
	OPTION_OFFLINE,
	OPTION_PROTECT,
	OPTION_SUPPRESS,
	OPTION_SYSROOT,
	OPTION_THRESHOLD,
	OPTION_TIMEOUT,
	OPTION_TRACK,
	OPTION_UNSAFE,
};

/* What was given. Strings are those of argv. */
struct options {
	const struct command *command;
	const char *dir;
	const char *sysroot;
	const char *track;    /* how much of locks of threads is recorded, NULL not given */
	const char *unsafe;   /* names of functions, NULL not given */
	const char *suppress; /* a file, NULL not given: see suppress_path() */
	char **other_dirs;    /* further sessions that `report` was given; operands */
	int other_dir_count;
	const char *core;     /* the operand of `report`, if it is a core */
	const char *exe;
	const struct renderer *renderer; /* never NULL */
	bool is_systemd;
	bool show_all;
	bool is_offline;
	bool is_protected;
	bool no_stop;
	bool is_injecting, is_detaching;
	uint32_t max_frames;                           /* 0: not given */
	int error_exitcode;                            /* -1: not given */
	uint64_t interval_ns, duration_ns, timeout_ns; /* 0: not given */
	uint64_t threshold_ns;                         /* 0: not given */
	uint64_t long_hold_ns, long_wait_ns; /* 0: not given */
	char **operands;                               /* NULL ends */
	int operand_count;
};

/*
 * Reads the options of one command, argv[0] being its name. Returns -1 to go on, else the exit
 * status: --help and --version have been printed, or what is wrong said.
 */
int options_parse(struct options *o, const struct command *command, int argc, char **argv);

/* A message that names the command's --help, and the status of wrong usage. */
int options_wrong(const struct command *command, const char *object, const char *cause);

/* The nearest of a NULL-terminated list of words, or NULL if none is near. */
const char *options_nearest(const char *word, const char *const *words);

#endif
