#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/latch.h"
#include "cli/message.h"
#include "cli/shim.h"
#include "cli/text.h"
#include "collector/inject/inject.h"
#include "collector/segment/session.h"

#define TIMEOUT_NS UINT64_C(5000000000)

/* 0 if it is none. */
static pid_t parse_pid(const char *operand)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(operand, &end, 10);
	return errno || *end || pid <= 0 || pid > INT_MAX ? 0 : (pid_t)pid;
}

/* The operands; NULL after saying what is wrong with them. */
static pid_t *parse_pids(const struct options *o)
{
	pid_t *pids = calloc((size_t)o->operand_count + 1, sizeof(*pids));

	for (int i = 0; pids && i < o->operand_count; i++) {
		pids[i] = parse_pid(o->operands[i]);
		if (pids[i])
			continue;
		options_wrong(o->command, o->operands[i], "is no PID");
		free(pids);
		return NULL;
	}
	if (!pids)
		message(NULL, strerror(ENOMEM), NULL);
	return pids;
}

static struct inject_request request_of(const struct options *o)
{
	return (struct inject_request){.timeout_ns = o->timeout_ns ? o->timeout_ns : TIMEOUT_NS};
}

static void tell_attached(const struct inject_outcome *outcome, const char *dir)
{
	char calls[TEXT_SIZE], locks[TEXT_SIZE], text[PATH_MAX + 4 * TEXT_SIZE];
	char advice[2 * TEXT_SIZE];

	snprintf(text, sizeof(text), "recording into %s", dir);
	snprintf(advice, sizeof(advice), "%s redirected, %s taken over",
		 text_count(calls, outcome->calls, "call"),
		 text_count(locks, outcome->locks, "lock"));
	message(outcome->object, text, advice);
}

static bool attach_one(struct inject_request *request, pid_t pid)
{
	struct inject_outcome outcome;
	struct collect_error error = {0};

	request->pid = pid;
	if (inject_attach(request, &outcome, &error) < 0) {
		message_error(&error);
		return false;
	}
	tell_attached(&outcome, request->dir);
	return true;
}

int latch_attach(const struct options *o)
{
	struct inject_request request = request_of(o);
	struct collect_error error = {0};
	char dir[PATH_MAX], shim[PATH_MAX];
	int attached = 0;
	pid_t *pids = parse_pids(o);

	if (!pids)
		return EXIT_TROUBLE;
	if (shim_find(shim, sizeof(shim), &error) < 0 ||
	    session_create(o->dir, dir, sizeof(dir), &error) < 0) {
		message_error(&error);
		free(pids);
		return EXIT_TROUBLE;
	}
	request.shim = shim;
	request.dir = dir;
	for (int i = 0; i < o->operand_count; i++)
		attached += attach_one(&request, pids[i]);
	/* A directory that was there before is not ours to remove. */
	if (!attached && !o->dir)
		session_remove(dir);
	free(pids);
	return attached == o->operand_count ? EXIT_CLEAN : EXIT_TROUBLE;
}

static bool detach_one(struct inject_request *request, pid_t pid)
{
	struct inject_outcome outcome;
	struct collect_error error = {0};
	char calls[TEXT_SIZE], advice[2 * TEXT_SIZE];

	request->pid = pid;
	if (inject_detach(request, &outcome, &error) < 0) {
		message_error(&error);
		return false;
	}
	snprintf(advice, sizeof(advice), "%s put back", text_count(calls, outcome.calls, "call"));
	message(outcome.object, "the recording has ended", advice);
	return true;
}

int latch_detach(const struct options *o)
{
	struct inject_request request = request_of(o);
	pid_t *pids = parse_pids(o);
	int detached = 0;

	if (!pids)
		return EXIT_TROUBLE;
	for (int i = 0; i < o->operand_count; i++)
		detached += detach_one(&request, pids[i]);
	free(pids);
	return detached == o->operand_count ? EXIT_CLEAN : EXIT_TROUBLE;
}
