/*
 * held-back MODE
 *
 * Scenario: SIGTERM is sent to a process that blocks it in all its threads.
 * Expect, while it is alive, with or without the shim: signal-blocked, a warning in the modes
 *   process  its one thread sits in read()
 *   threads  so do two
 *   thread   sent to the second thread alone, the first would take it
 * and a note in
 *   busy     it does something all the time: it may be about to let the signal in
 * Nothing in
 *   open     nobody blocks it (a handler that returns)
 *   ignored  it is ignored: when it is let in, nothing happens
 *   default  SIGURG instead, whose default is to be ignored
 *   signalfd it is taken from a descriptor, at some time
 *   sigwait  a thread waits for it
 *   ppoll    the main thread lets it in while it waits
 *   child    SIGCHLD instead, while it waits for a child (as system() does)
 *   handler  (under the shim) its handler is running, and waits
 *   stopped  the process is stopped: SIGCONT ends that, not a mask
 */
#include "tests/victims/victim.h"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

static const char *mode;
static int signo = SIGTERM;
static sigset_t blocked;
static volatile sig_atomic_t is_taken;
static volatile pid_t other;

static bool is_mode(const char *name)
{
	return !strcmp(mode, name);
}

static void take(int number)
{
	(void)number;
	is_taken = 1;
	if (is_mode("handler")) {
		raise(signo);
		victim_say("ready");
		victim_await_end();
		_exit(0);
	}
}

static void *wait_for_it(void *unused)
{
	int number;

	other = gettid();
	if (is_mode("sigwait")) {
		sigwait(&blocked, &number);
		is_taken = 1;
	}
	for (;;)
		pause();
	return unused;
}

static void start_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_it, NULL))
		errx(99, "pthread_create");
	while (!other)
		victim_pause();
	victim_await_blocked(other, is_mode("sigwait") ? SYS_rt_sigtimedwait : SYS_pause);
	if (is_mode("thread"))
		sigprocmask(SIG_UNBLOCK, &blocked, NULL);
}

/* Until its input ends. */
static void keep_busy(void)
{
	struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&pfd, 1, 1) == 0)
		;
}

static void let_it_in(void)
{
	struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
	sigset_t none;

	sigemptyset(&none);
	while (!is_taken)
		ppoll(&pfd, 1, NULL, &none);
	victim_say("ready");
	while (ppoll(&pfd, 1, NULL, &none) < 0)
		;
}

/* Until that ends, with our input. */
static void wait_for_a_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		victim_die_with(parent);
		victim_await_blocked(parent, SYS_wait4);
		victim_ready();
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) != pid)
		errx(99, "waitpid");
}

static void send(void)
{
	if (is_mode("thread"))
		syscall(SYS_tgkill, getpid(), other, signo);
	else
		kill(getpid(), signo);
	if (is_mode("open") || is_mode("sigwait"))
		while (!is_taken)
			victim_pause();
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = take};

	mode = argc == 2 ? argv[1] : "process";
	victim_watchdog();
	if (is_mode("default") || is_mode("child"))
		signo = is_mode("child") ? SIGCHLD : SIGURG;
	if (is_mode("ignored"))
		action.sa_handler = SIG_IGN;
	if (is_mode("default"))
		action.sa_handler = SIG_DFL;
	victim_must(sigaction(signo, &action, NULL), "sigaction");
	sigemptyset(&blocked);
	sigaddset(&blocked, signo);
	if (!is_mode("open") && !is_mode("handler"))
		sigprocmask(SIG_BLOCK, &blocked, NULL);
	if (is_mode("signalfd"))
		victim_must(signalfd(-1, &blocked, SFD_CLOEXEC), "signalfd");
	if (is_mode("threads") || is_mode("thread") || is_mode("sigwait"))
		start_thread();
	send();
	if (is_mode("ppoll")) {
		let_it_in();
	} else if (is_mode("child")) {
		wait_for_a_child();
	} else if (is_mode("busy")) {
		victim_say("ready");
		keep_busy();
	} else {
		victim_ready();
	}
	return 0;
}
