#include "config.h"

#include <stdio.h>

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
