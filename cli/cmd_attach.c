/*
 * lockjam attach: records processes that run already, from outside, by looking at them now and
 * then. What it has seen is in the session's directory, for `lockjam report DIR`.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/latch.h"
#include "cli/message.h"
#include "cli/read.h"
#include "cli/render.h"
#include "collector/sample/sample.h"
#include "collector/segment/session.h"

#define INTERVAL_NS UINT64_C(100000000)

/* All that ends the recording is fetched by poll(), so that no look is interrupted. */
static int hold_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, NULL);
	return signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A second signal, while the report is made, ends lockjam as usual. */
static void release_signals(int fd)
{
	struct signalfd_siginfo info;
	sigset_t none;

	while (read(fd, &info, sizeof(info)) > 0)
		;
	close(fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void tell_news(struct sampler *s)
{
	char text[1024];

	while (sampler_news(s, text, sizeof(text))) {
		message(NULL, text, NULL);
		fflush(stderr);
	}
}

/* Until a signal, the end of the duration, or of all targets. 0, or the exit status. */
static int record(struct sampler *s, int signals, uint64_t duration_ns)
{
	struct collect_error error = {0};
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
			       {.fd = sampler_fd(s), .events = POLLIN}};
	uint64_t began_ns = sampler_clock_ns();

	for (;;) {
		if (sampler_look(s, &error) < 0) {
			message_error(&error);
			return EXIT_TROUBLE;
		}
		tell_news(s);
		uint64_t now_ns = sampler_clock_ns(), end_ns = began_ns + duration_ns;

		if (sampler_is_over(s) || (duration_ns && now_ns >= end_ns))
			return 0;
		uint64_t next_ns = sampler_next_ns(s);
		uint64_t until_ns = duration_ns && end_ns < next_ns ? end_ns : next_ns;
		uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
		struct timespec wait = {wait_ns / 1000000000, wait_ns % 1000000000};

		if (ppoll(fds, 2, &wait, NULL) > 0 && fds[0].revents)
			return 0;
	}
}

/* What `lockjam report DIR` prints, with its status. */
static int report(const struct options *o, const char *dir)
{
	struct options own = *o;

	own.dir = dir;
	own.operand_count = 0;
	return reading_report(&own);
}

static int sample(const struct options *o, const char *dir, struct sampler *s)
{
	int signals = hold_signals();
	int status;

	if (signals < 0) {
		message(NULL, strerror(errno), NULL);
		return EXIT_TROUBLE;
	}
	message(dir, "recording by sampling, nothing is changed in the processes",
		"end with Ctrl-C");
	status = record(s, signals, o->duration_ns);
	sampler_end(s);
	release_signals(signals);
	return status ? status : report(o, dir);
}

static int run(const struct options *o)
{
	struct collect_error error = {0};
	struct sample_options how = {.interval_ns = o->interval_ns ? o->interval_ns : INTERVAL_NS};
	struct collect_target *targets;
	struct sampler *s;
	char dir[PATH_MAX];
	int status;

	if (o->operand_count == 0)
		return options_wrong(o->command, NULL, "no PID or command name was given");
	if (o->is_detaching)
		return latch_detach(o);
	if (o->is_injecting)
		return latch_attach(o);
	targets = reading_targets(o);
	if (!targets) {
		message(NULL, strerror(ENOMEM), NULL);
		return EXIT_TROUBLE;
	}
	how.targets = targets;
	how.target_count = o->operand_count;
	if (session_create(o->dir, dir, sizeof(dir), &error) < 0) {
		message_error(&error);
		free(targets);
		return EXIT_TROUBLE;
	}
	how.dir = dir;
	int r = sampler_new(&how, &s, &error);

	if (r < 0) {
		message_error(&error);
		if (r != -EEXIST) /* what is there is not ours */
			session_remove(dir);
		free(targets);
		return EXIT_TROUBLE;
	}
	status = sample(o, dir, s);
	sampler_free(s);
	free(targets);
	return status;
}

const struct command command_attach = {
	.name = "attach",
	.args = "[-o DIR] [--inject] TARGET...",
	.summary = "Record processes that run already, from outside or inside",
	.options = (const enum option_id[]){OPTION_DIR, OPTION_INJECT, OPTION_DETACH,
					    OPTION_TIMEOUT, OPTION_INTERVAL, OPTION_DURATION,
					    OPTION_FORMAT, OPTION_ALL, OPTION_SYSROOT, OPTION_END},
	.run = run,
};
