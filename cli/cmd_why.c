/* lockjam why: from a process that is stuck to what it is really waiting for. */
#include "config.h"

#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/read.h"
#include "cli/render.h"
#include "cli/why.h"

#define LINKS_MAX 60
#define LINKS_MAX_ALL 100000

static int show(struct reading *r, const struct options *o, uint32_t process)
{
	struct view *v = &r->view;
	struct chain chain;
	int error =
		chain_build(&chain, &v->looks, process, o->show_all ? LINKS_MAX_ALL : LINKS_MAX);

	if (error) {
		message(NULL, strerror(-error), NULL);
		return EXIT_TROUBLE;
	}
	chain_choose_victim(&chain, &v->looks);
	o->renderer->why(v, &chain);
	chain_done(&chain);
	return view_status(v->model);
}

static int run(const struct options *o)
{
	struct reading r;
	pid_t pid = o->operand_count == 1 ? reading_pid(o->operands[0]) : 0;
	int status;

	if (o->operand_count == 0)
		return options_wrong(o->command, NULL, "which process? Give its PID");
	if (o->operand_count > 1)
		return options_wrong(o->command, o->operands[1], "one process at a time");
	if (!pid)
		return options_wrong(o->command, o->operands[0], "not a PID");
	status = reading_open(&r, o, READING_THREADS);
	if (status)
		return status;
	uint32_t process = model_find_process(r.view.model, pid, 0);

	if (process == MODEL_NONE) {
		message(o->operands[0], "it has ended meanwhile", NULL);
		status = EXIT_TROUBLE;
	} else {
		status = show(&r, o, process);
	}
	reading_close(&r);
	return status;
}

const struct command command_why = {
	.name = "why",
	.args = "PID",
	.summary = "What a process is really waiting for, link by link",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_FORMAT, OPTION_ALL, OPTION_LONG_HOLD,
					    OPTION_LONG_WAIT, OPTION_NO_STOP, OPTION_OFFLINE,
					    OPTION_MAX_FRAMES, OPTION_SYSROOT, OPTION_END},
	.run = run,
};
