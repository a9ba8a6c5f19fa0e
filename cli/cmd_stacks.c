/* lockjam stacks: backtraces of all threads of processes, with the smallest possible stop. */
#include "config.h"

#include "cli/command.h"
#include "cli/message.h"
#include "cli/read.h"
#include "cli/render.h"

static bool has_frames(const struct view *v)
{
	for (uint32_t i = 0; i < v->backtrace_count; i++)
		if (v->model->stacks.items[v->backtraces[i].stack].frame_count)
			return true;
	return false;
}

static int run(const struct options *o)
{
	struct reading r;
	int status;

	if (o->operand_count == 0)
		return options_wrong(o->command, NULL, "which process? Give its PID");
	status = reading_open(&r, o, READING_THREADS);
	if (status)
		return status;
	view_choose_threads(&r.view, UINT32_MAX);
	o->renderer->stacks(&r.view);
	status = has_frames(&r.view) ? view_status(r.view.model) : EXIT_TROUBLE;
	reading_close(&r);
	return status;
}

const struct command command_stacks = {
	.name = "stacks",
	.args = "PID...",
	.summary = "Backtraces of all threads, with the smallest possible stop",
	.options = (const enum option_id[]){OPTION_ALL, OPTION_FORMAT, OPTION_MAX_FRAMES,
					    OPTION_NO_STOP, OPTION_SYSROOT, OPTION_END},
	.run = run,
};
