#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"
#include "cli/read.h"
#include "cli/suppress.h"
#include "cli/render.h"

pid_t reading_pid(const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && pid > 0 && pid <= INT_MAX ? pid
											    : 0;
}

struct collect_target *reading_targets(const struct options *o)
{
	struct collect_target *targets = calloc(o->operand_count + 1, sizeof(*targets));

	for (int i = 0; targets && i < o->operand_count; i++) {
		targets[i].pid = reading_pid(o->operands[i]);
		targets[i].name = targets[i].pid ? NULL : o->operands[i];
	}
	return targets;
}

static int out_of_memory(void)
{
	message(NULL, strerror(ENOMEM), NULL);
	return EXIT_TROUBLE;
}

/* What to do, where the collector could only name the cause. */
static void advise(struct collect_error *error, int code)
{
	if (!*error->advice && (code == -EACCES || code == -EPERM))
		strcpy(error->advice, "run as root, or as the user whose it is");
}

/* 0, or the exit status after what is wrong was said. */
static int suppress(struct reading *r, const struct options *o)
{
	struct suppressions *list;
	int status;

	if (!suppress_path(o))
		return 0;
	status = suppress_read(suppress_path(o), &list);
	if (status)
		return status;
	r->suppressed = suppress_apply(list, r->view.model, o->show_all);
	suppress_free(list);
	return 0;
}

int reading_open(struct reading *r, const struct options *o, enum reading_wants wants)
{
	struct collect_options options = {.dir = o->dir,
					  .other_dirs = (const char *const *)o->other_dirs,
					  .other_dir_count = o->other_dir_count,
					  .is_offline = o->is_offline,
					  .sysroot = o->sysroot,
					  .core = o->core,
					  .exe = o->exe,
					  .threshold_ns = o->threshold_ns,
					  .max_frames = o->max_frames,
					  .long_hold_ns = o->long_hold_ns,
					  .long_wait_ns = o->long_wait_ns,
					  .want_events = wants & READING_EVENTS,
					  .want_handlers = wants & READING_HANDLERS,
					  .want_threads = wants & READING_THREADS,
					  .want_waits = !o->dir && !o->core,
					  .may_stop = (wants & READING_THREADS) && !o->no_stop};
	struct collect_error error = {0};
	int code;

	*r = (struct reading){.targets = reading_targets(o)};
	if (!r->targets)
		return out_of_memory();
	options.targets = r->targets;
	options.target_count = o->operand_count;
	code = collector_open(&options, &r->collector, &error);
	if (code < 0) {
		advise(&error, code);
		message_error(&error);
		free(r->targets);
		return EXIT_TROUBLE;
	}
	r->view = (struct view){.out = stdout,
				.command = o->command->name,
				.dir = o->dir,
				.model = collector_model(r->collector),
				.collector = r->collector,
				.show_all = o->show_all};
	code = suppress(r, o);
	if (!code && view_init(&r->view) == 0)
		return 0;
	reading_close(r);
	return code ? code : out_of_memory();
}

void reading_close(struct reading *r)
{
	view_done(&r->view);
	collector_close(r->collector);
	free(r->targets);
}

int reading_report(const struct options *o)
{
	bool is_live = !o->dir && !o->core && o->operand_count > 0;
	struct reading r;
	int status = reading_open(
		&r, o, READING_EVENTS | READING_HANDLERS | (is_live ? READING_THREADS : 0));

	if (status)
		return status;
	if (is_live)
		view_choose_threads(&r.view, VIEW_THREADS_LIVE);
	view_choose_backtraces(&r.view);
	o->renderer->report(&r.view);
	status = view_status(r.view.model);
	reading_close(&r);
	return status;
}
