/* lockjam report: everything about a saved session, a core, a process, or the running system. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/read.h"
#include "cli/render.h"
#include "collector/core/core.h"
#include "collector/segment/session.h"

/* A word that is neither a number nor a file is the name of a command, as for graph. */
static bool is_file_operand(const char *operand)
{
	return !reading_pid(operand) && (strchr(operand, '/') || access(operand, F_OK) == 0);
}

/* All directories of sessions behind the first are other sessions; what comes then are targets. */
static void take_other_dirs(struct options *o)
{
	if (!o->dir)
		return;
	o->other_dirs = o->operands;
	while (o->operand_count > 0 && is_file_operand(*o->operands) &&
	       session_has_records(*o->operands) > 0) {
		o->other_dir_count++;
		o->operands++;
		o->operand_count--;
	}
}

static int run(const struct options *o)
{
	struct options own = *o;

	/* report DIR is report -o DIR; a core can be combined with -o. */
	if (own.operand_count > 0 && is_file_operand(own.operands[0])) {
		bool is_core = core_is_file(own.operands[0]);

		if (is_core)
			own.core = own.operands[0];
		else if (!own.dir)
			own.dir = own.operands[0];
		if (is_core || !o->dir) {
			own.operands++;
			own.operand_count--;
		}
	}
	take_other_dirs(&own);
	if (own.exe && !own.core)
		return options_wrong(o->command, "--exe", "is only of use with a core");
	return reading_report(&own);
}

const struct command command_report = {
	.name = "report",
	.args = "[DIR...|FILE.seg|CORE|PID|NAME] [TARGET...]",
	.summary = "What is wrong, and why: also when all processes are dead",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_FORMAT, OPTION_ALL, OPTION_LONG_HOLD,
					    OPTION_LONG_WAIT, OPTION_OFFLINE,
					    OPTION_SYSROOT, OPTION_EXE, OPTION_MAX_FRAMES,
					    OPTION_NO_STOP, OPTION_SUPPRESS, OPTION_THRESHOLD, OPTION_END},
	.run = run,
};
