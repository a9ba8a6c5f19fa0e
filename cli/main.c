/*
 * The command `lockjam`: finds the subcommand in its table and hands over. All else is in the
 * subcommands' own files.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"

static const struct command *const commands[] = {
	NULL,
};

static void print_help(FILE *f)
{
	fputs("Usage: lockjam COMMAND [OPTION...] [ARGUMENT...]\n"
	      "Shows who holds a lock, who waits for it, since when and at which line.\n\n",
	      f);
	for (const struct command *const *c = commands; *c; c++)
		fprintf(f, "  %-8s %-22s %s\n", (*c)->name, (*c)->args, (*c)->summary);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_TROUBLE;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("lockjam " PACKAGE_VERSION);
		return EXIT_CLEAN;
	}
	print_help(stdout);
	return EXIT_CLEAN;
}
