/* lockjam signals: the handlers, how often they ran, and what they called. */
#include "config.h"

#include "cli/command.h"
#include "cli/read.h"
#include "cli/render.h"

static int run(const struct options *o)
{
	struct reading r;
	int status = reading_open(&r, o, READING_HANDLERS);

	if (status)
		return status;
	o->renderer->signals(&r.view);
	status = view_status(r.view.model);
	reading_close(&r);
	return status;
}

const struct command command_signals = {
	.name = "signals",
	.args = "[TARGET...]",
	.summary = "Handlers of signals, how often they ran and what they called",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_FORMAT, OPTION_ALL, OPTION_OFFLINE,
					    OPTION_SYSROOT, OPTION_THRESHOLD, OPTION_END},
	.run = run,
};
