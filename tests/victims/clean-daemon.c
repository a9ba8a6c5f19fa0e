/*
 * Scenario: clean-daemon WAY. A daemon as it should be, which learns of its signals by one of the ways of
 * `ways` below. It says "HUP" for each SIGHUP and starts a worker, says "CHLD" when that has ended and was
 * reaped, "USR1" for each SIGUSR1, and ends with status 0 on SIGTERM; it ignores SIGPIPE.
 * Expect: nothing is found, whatever signals come, and how many.
 */
#include "tests/victims/handler.h"

#include <poll.h>
#include <pthread.h>
#include <sys/select.h>
#include <sys/signalfd.h>

static const int signals[] = { SIGHUP, SIGCHLD, SIGUSR1, SIGTERM };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static sigset_t handled_set;

/* --- what is done about a signal, outside of handlers --------------------------------------------- */

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		victim_say("CHLD");
}

static void start_worker(void)
{
	pid_t child = fork();

	victim_must(child, "fork");
	if (child == 0)
		_exit(0);
	victim_say("HUP");
}

/* False: the daemon ends. */
static bool serve(int signo)
{
	if (signo == SIGHUP)
		start_worker();
	else if (signo == SIGCHLD)
		reap();
	else if (signo == SIGUSR1)
		victim_say("USR1");
	return signo != SIGTERM;
}

static void handle(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	action.sa_mask = handled_set;
	for (size_t i = 0; i < SIGNALS; i++)
		victim_must(sigaction(signals[i], &action, NULL), "sigaction");
}

/* --- a pipe to itself, and select() ---------------------------------------------------------------- */

static int wake_pipe[2];

static void on_signal_wake(int signo)
{
	int saved_errno = errno;
	char byte = (char)signo;

	if (write(wake_pipe[1], &byte, 1) < 0)
		_exit(97);
	errno = saved_errno;
}

static void serve_pipe(void)
{
	char byte = 0;
	fd_set readable;

	victim_must(pipe2(wake_pipe, O_CLOEXEC), "pipe2");
	handle(on_signal_wake, SA_RESTART);
	victim_say("ready");
	do {
		FD_ZERO(&readable);
		FD_SET(wake_pipe[0], &readable);
		while (select(wake_pipe[0] + 1, &readable, NULL, NULL, NULL) < 0)
			;
		victim_must((int)read(wake_pipe[0], &byte, 1), "read");
	} while (serve(byte));
}

/* --- a flag each, seen by pselect(), which alone lets the signals in --------------------------------- */

static volatile sig_atomic_t arrived[65];

static void on_signal_flag(int signo)
{
	arrived[signo] = 1;
}

static void serve_flags(void)
{
	bool goes_on = true;
	sigset_t open;

	sigprocmask(SIG_BLOCK, &handled_set, &open);
	handle(on_signal_flag, 0);
	victim_say("ready");
	while (goes_on) {
		pselect(0, NULL, NULL, NULL, NULL, &open);
		for (size_t i = 0; i < SIGNALS; i++) {
			if (!arrived[signals[i]])
				continue;
			arrived[signals[i]] = 0;
			goes_on = serve(signals[i]) && goes_on;
		}
	}
}

/* --- no handler at all: a descriptor --------------------------------------------------------------- */

static void serve_signalfd(void)
{
	struct signalfd_siginfo info = { 0 };
	struct pollfd entry = { .events = POLLIN };

	sigprocmask(SIG_BLOCK, &handled_set, NULL);
	entry.fd = signalfd(-1, &handled_set, SFD_CLOEXEC);
	victim_must(entry.fd, "signalfd");
	victim_say("ready");
	do {
		while (poll(&entry, 1, -1) < 0)
			;
		victim_must((int)read(entry.fd, &info, sizeof(info)), "read");
	} while (serve((int)info.ssi_signo));
}

/* --- a thread that waits for them, beside others that work ------------------------------------------- */

static void *await_signals(void *unused)
{
	int signo = 0;

	victim_say("ready");
	do {
		if (sigwait(&handled_set, &signo))
			errx(97, "sigwait");
	} while (serve(signo));
	return unused;
}

static void *work(void *is_over)
{
	while (!__atomic_load_n((bool *)is_over, __ATOMIC_ACQUIRE))
		free(malloc(100));
	return NULL;
}

static void serve_sigwait(void)
{
	pthread_t waiter, worker;
	bool is_over = false;

	sigprocmask(SIG_BLOCK, &handled_set, NULL);
	if (pthread_create(&worker, NULL, work, &is_over) ||
	    pthread_create(&waiter, NULL, await_signals, NULL))
		errx(97, "pthread_create");
	pthread_join(waiter, NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
	pthread_join(worker, NULL);
}

static const struct {
	const char *name;
	void (*serve)(void);
} ways[] = {
	{ "pipe", serve_pipe },
	{ "flags", serve_flags },
	{ "signalfd", serve_signalfd },
	{ "sigwait", serve_sigwait },
};

int main(int argc, char **argv)
{
	victim_watchdog();
	sigemptyset(&handled_set);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(&handled_set, signals[i]);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[1]) == 0)
			return ways[i].serve(), 0;
	errx(2, "usage: clean-daemon pipe|flags|signalfd|sigwait");
}
