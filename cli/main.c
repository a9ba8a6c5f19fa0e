/*
 * The command `lockjam`: finds the subcommand in its table and hands over. All else is in the
 * subcommands' own files.
 */
#include "config.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"

static const struct command *const commands[] = {
	&command_run,    &command_attach, &command_graph,   &command_why,
	&command_stacks, &command_report, &command_signals, &command_env,
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *f)
{
	fputs("Usage: lockjam COMMAND [OPTION...] [ARGUMENT...]\n"
	      "Shows who holds a lock, who waits for it, since when and at which line.\n\n",
	      f);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(f, "  %-8s %-31s %s\n", commands[i]->name, commands[i]->args,
			commands[i]->summary);
	fputs("\nlockjam COMMAND --help says more; so does lockjam(1).\n", f);
}

static int unknown_command(const char *name)
{
	const char *names[COMMANDS + 1] = {NULL};
	const char *nearest;
	char advice[64] = "see lockjam --help";

	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i]->name;
	nearest = options_nearest(name, names);
	if (nearest)
		snprintf(advice, sizeof(advice), "did you mean lockjam %s?", nearest);
	message(name, name[0] == '-' ? "unknown option" : "unknown command", advice);
	return EXIT_TROUBLE;
}

static int dispatch(int argc, char **argv)
{
	struct options options;
	int status;

	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i]->name))
			continue;
		status = options_parse(&options, commands[i], argc - 1, argv + 1);
		if (status < 0)
			status = commands[i]->run(&options);
		free(options.operands);
		return status;
	}
	return unknown_command(argv[1]);
}

/*
 * Nothing may be lost in silence, not even what a full disk refuses at the last flush. A stdout
 * that was closed from the start matters only if there was something to say.
 */
static int close_stdout(int status)
{
	bool was_pending = __fpending(stdout) != 0;
	bool failed = ferror(stdout);

	errno = 0;
	if (fclose(stdout) != 0 && (was_pending || errno != EBADF))
		failed = true;
	if (!failed)
		return status;
	return message_output_failed(errno);
}

int main(int argc, char **argv)
{
	int status = EXIT_CLEAN;

	setlocale(LC_TIME, "");
	if (argc < 2) {
		print_help(stderr);
		return EXIT_TROUBLE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		puts("lockjam " PACKAGE_VERSION);
	else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		print_help(stdout);
	else
		status = dispatch(argc, argv);
	return close_stdout(status);
}
