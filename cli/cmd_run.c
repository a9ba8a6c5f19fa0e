/*
 * lockjam run: a command and all that it starts under the shim. Adds nothing to its output but,
 * when it is over, the findings on stderr.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/child.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/read.h"
#include "cli/render_text.h"
#include "cli/shim.h"
#include "cli/suppress.h"
#include "cli/text.h"
#include "collector/proc/program.h"
#include "collector/segment/session.h"
#include "preload/segment.h"

/* The environment that the child is to inherit. 0, or the exit status. */
static int set_environment(const struct options *o, const char *dir)
{
	struct collect_error error = {0};
	char path[PATH_MAX];
	char *preload;
	int failed;

	if (shim_find(path, sizeof(path), &error) < 0) {
		message_error(&error);
		return STATUS_FAILED;
	}
	preload = shim_preload(path, getenv("LD_PRELOAD"));
	failed = !preload || setenv("LD_PRELOAD", preload, 1) < 0 ||
		 setenv(SEG_ENV_DIR, dir, 1) < 0 ||
		 (o->is_protected && setenv(SEG_ENV_PROTECT, "1", 1) < 0) ||
		 (o->track && setenv(SEG_ENV_TRACK, o->track, 1) < 0) ||
		 (o->unsafe && setenv(SEG_ENV_UNSAFE, o->unsafe, 1) < 0);
	free(preload);
	if (failed)
		message(NULL, strerror(ENOMEM), NULL);
	return failed ? STATUS_FAILED : 0;
}

/* What the findings come to: on stderr in full, or where to read them. */
static void tell_findings(struct view *v, const char *kept_dir)
{
	struct view_tally t = view_tally(v->model);
	char all[TEXT_SIZE], errors[TEXT_SIZE], warnings[TEXT_SIZE], text[4 * TEXT_SIZE];
	char advice[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s (%s, %s)",
		 text_count(all, t.errors + t.warnings + t.notes, "finding"),
		 text_count(errors, t.errors, "error"),
		 text_count(warnings, t.warnings, "warning"));
	if (kept_dir) {
		fprintf(stderr, "lockjam: %s: see lockjam report %s\n", text, kept_dir);
		return;
	}
	snprintf(advice, sizeof(advice), "lockjam run -o DIR keeps the record");
	message(NULL, text, advice);
	v->out = stderr;
	text_findings(v);
}

static void tell_suppressed(const struct options *o, uint32_t count)
{
	char findings[TEXT_SIZE], text[PATH_MAX + 2 * TEXT_SIZE];

	snprintf(text, sizeof(text), "%s suppressed by %s", text_count(findings, count, "finding"),
		 suppress_path(o));
	message(NULL, text, NULL);
}

/* A file that cannot be read is told before the program runs. 0, or the exit status. */
static int check_suppressions(const struct options *o)
{
	struct suppressions *list;

	if (!suppress_path(o))
		return 0;
	if (suppress_read(suppress_path(o), &list))
		return STATUS_FAILED;
	suppress_free(list);
	return 0;
}

/* Reads the session. True if there are findings (errors or warnings). */
static bool look_back(const struct options *o, const char *dir)
{
	struct options reading_options = *o;
	struct reading r;
	bool has_findings;

	reading_options.dir = dir;
	reading_options.operand_count = 0;
	if (reading_open(&r, &reading_options, 0) != 0)
		return false;
	has_findings = view_status(r.view.model) == EXIT_FINDINGS;
	if (r.suppressed)
		tell_suppressed(o, r.suppressed);
	if (has_findings)
		tell_findings(&r.view, o->dir ? dir : NULL);
	reading_close(&r);
	return has_findings;
}

static void clean_up(const struct options *o, const char *dir)
{
	char text[TEXT_SIZE], advice[PATH_MAX + 64];
	int alive = session_live_count(dir);

	if (o->dir)
		return;
	if (alive <= 0) {
		session_remove(dir);
		return;
	}
	snprintf(text, sizeof(text), "%s still alive", text_count(advice, alive, "process"));
	snprintf(advice, sizeof(advice), "look at it with lockjam graph -o %s", dir);
	message(dir, text, advice);
}

static int finish(const struct options *o, const char *dir, int status)
{
	bool has_findings = look_back(o, dir);

	clean_up(o, dir);
	if (has_findings && o->error_exitcode >= 0)
		return o->error_exitcode;
	child_die_alike(status);
	return child_exit_status(status);
}

static int run(const struct options *o)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct collect_error error = {0};
	const char *obstacle;
	int status = 0, code;
	pid_t pid;

	if (o->operand_count == 0)
		return options_wrong(o->command, NULL, "no COMMAND was given");
	code = check_suppressions(o);
	if (code)
		return code;
	code = program_find(o->operands[0], path, sizeof(path));
	if (code < 0)
		return child_refused(o->operands[0], code);
	if (session_create(o->dir, dir, sizeof(dir), &error) < 0) {
		message_error(&error);
		return STATUS_FAILED;
	}
	obstacle = program_obstacle(path);
	if (obstacle)
		message(path, obstacle, "it runs unobserved");
	code = set_environment(o, dir);
	if (code) {
		session_remove(dir);
		return code;
	}
	code = child_run(o->operands, &pid, &status);
	if (code < 0) {
		message(o->operands[0], strerror(-code), NULL);
		session_remove(dir);
		return STATUS_FAILED;
	}
	if (WIFSIGNALED(status))
		session_note_killed(dir, pid, WTERMSIG(status));
	return finish(o, dir, status);
}

const struct command command_run = {
	.name = "run",
	.args = "[-o DIR] [--] COMMAND [ARG...]",
	.summary = "Run COMMAND and all it starts under the shim",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_ERROR_EXITCODE, OPTION_PROTECT,
					    OPTION_SUPPRESS, OPTION_TRACK, OPTION_UNSAFE,
					    OPTION_END},
	.ends_options = true,
	.usage_status = STATUS_FAILED,
	.run = run,
};
