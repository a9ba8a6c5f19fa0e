/* lockjam env: the assignments that put a service under the shim. */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/shim.h"
#include "collector/segment/session.h"
#include "preload/segment.h"

/* In single quotes for a shell. */
static void put_shell(const char *name, const char *value)
{
	printf("export %s='", name);
	for (; *value; value++)
		if (*value == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*value);
	fputs("'\n", stdout);
}

/* In double quotes for a unit file, where % begins a specifier. */
static void put_systemd(const char *name, const char *value)
{
	printf("Environment=\"%s=", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putchar('\\');
		if (*value == '%')
			putchar('%');
		putchar(*value);
	}
	fputs("\"\n", stdout);
}

static void put_assignments(const struct options *o, const char *preload, const char *dir)
{
	void (*put)(const char *, const char *) = o->is_systemd ? put_systemd : put_shell;

	if (o->is_systemd)
		puts("[Service]");
	put("LD_PRELOAD", preload);
	put(SEG_ENV_DIR, dir);
	if (o->is_protected)
		put(SEG_ENV_PROTECT, "1");
	if (o->track)
		put(SEG_ENV_TRACK, o->track);
	if (o->unsafe)
		put(SEG_ENV_UNSAFE, o->unsafe);
}

/* A directory that nobody is told of is of no use. */
static int give_up(const struct options *o, const char *dir, int cause)
{
	if (!o->dir)
		session_remove(dir);
	__fpurge(stdout);
	clearerr(stdout);
	return message_output_failed(cause);
}

static int run(const struct options *o)
{
	char path[PATH_MAX], dir[PATH_MAX];
	struct collect_error error = {0};
	char *preload;

	if (o->operand_count)
		return options_wrong(o->command, o->operands[0], "takes no argument");
	if (shim_find(path, sizeof(path), &error) < 0 ||
	    session_create(o->dir, dir, sizeof(dir), &error) < 0) {
		message_error(&error);
		return EXIT_TROUBLE;
	}
	signal(SIGPIPE, SIG_IGN); /* give_up() comes first */
	/* A unit does not inherit this shell's LD_PRELOAD; a shell does. */
	preload = shim_preload(path, o->is_systemd ? NULL : getenv("LD_PRELOAD"));
	if (!preload) {
		message(NULL, strerror(ENOMEM), NULL);
		return EXIT_TROUBLE;
	}
	put_assignments(o, preload, dir);
	free(preload);
	if (fflush(stdout) != 0)
		return give_up(o, dir, errno);
	fprintf(stderr, "lockjam: look at it with: lockjam graph -o %s; lockjam report %s\n", dir,
		dir);
	return EXIT_CLEAN;
}

const struct command command_env = {
	.name = "env",
	.args = "[-o DIR] [--format=FORMAT]",
	.summary = "The assignments that put a service under the shim",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_ENV_FORMAT, OPTION_PROTECT,
					    OPTION_TRACK, OPTION_UNSAFE, OPTION_END},
	.run = run,
};
