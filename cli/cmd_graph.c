/* lockjam graph: who holds, who waits, and where the holders are. */
#include "config.h"

#include "cli/command.h"
#include "cli/read.h"
#include "cli/render.h"

static int run(const struct options *o)
{
	struct reading r;
	int status = reading_open(&r, o, 0);

	if (status)
		return status;
	view_choose_backtraces(&r.view);
	o->renderer->graph(&r.view);
	status = view_status(r.view.model);
	reading_close(&r);
	return status;
}

const struct command command_graph = {
	.name = "graph",
	.args = "[TARGET...]",
	.summary = "Who holds file locks, who waits, and where the holders are",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_FORMAT, OPTION_ALL, OPTION_LONG_HOLD,
					    OPTION_LONG_WAIT, OPTION_OFFLINE,
					    OPTION_SUPPRESS, OPTION_SYSROOT, OPTION_END},
	.run = run,
};
