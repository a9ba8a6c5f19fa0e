#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/text.h"

void message(const char *object, const char *cause, const char *advice)
{
	flockfile(stderr);
	fputs("lockjam: ", stderr);
	if (object && *object) {
		text_put(stderr, object);
		fputs(": ", stderr);
	}
	text_put(stderr, cause);
	if (advice && *advice) {
		fputs(" (", stderr);
		text_put(stderr, advice);
		fputc(')', stderr);
	}
	fputc('\n', stderr);
	funlockfile(stderr);
}

void message_error(const struct collect_error *error)
{
	message(error->object, error->cause, error->advice);
}

int message_output_failed(int cause)
{
	if (cause == EPIPE) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	message("standard output", cause ? strerror(cause) : "write error", NULL);
	return EXIT_TROUBLE;
}
