/*
 * racing flag|pipe|mask|short|early|early-pipe|early-short
 *
 * Scenario: a service that should end at SIGTERM looks at a flag and then waits in poll(). SIGTERM comes when
 * it has looked, and stands on the call's instruction: a tracer takes it there step by step and lets the
 * signal in. `ready` when it sleeps in the call, or has seen its flag.
 * early: SIGTERM comes a moment before, in the program's own code: it sends it to itself behind its look.
 * Expect: early: flag-race, a note. flag: flag-race, a warning: handler on_term(), poll(). Nothing where the handler writes to a pipe
 * that is polled, where ppoll() alone lets the signal in, and where poll() ends after a moment.
 */
#include "tests/victims/victim.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

static struct {
	volatile sig_atomic_t wants_to_end, has_seen, is_bound, is_traced;
} *shared;
static int wake_pipe[2];
static const char *mode;
static sigset_t outside;

static bool is_mode(const char *name)
{
	return !strcmp(mode, name);
}

static void set_flag(int signo)
{
	(void)signo;
	shared->wants_to_end = 1;
}

static void on_term(int signo)
{
	set_flag(signo);
}

static void on_term_wake(int signo)
{
	set_flag(signo);
	victim_must((int)write(wake_pipe[1], "", 1), "write");
}

static int wait_once(int limit_ms)
{
	struct pollfd pfd = {.fd = wake_pipe[0], .events = POLLIN};
	struct timespec none = {0};

	if (is_mode("mask"))
		return ppoll(&pfd, 1, limit_ms ? NULL : &none, &outside);
	return poll(&pfd, 1, limit_ms);
}

static void serve(void)
{
	wait_once(0); /* then the way to the next one is short */
	shared->is_bound = 1;
	while (!shared->is_traced)
		;
	while (!shared->wants_to_end) {
		if (!strncmp(mode, "early", 5))
			raise(SIGTERM);
		wait_once(strstr(mode, "short") ? 100 : -1);
	}
	shared->has_seen = 1;
	victim_await_end();
}

/* Only x86-64 keeps the number where this looks. */
static bool is_before(pid_t pid, long number)
{
#ifdef __x86_64__
	struct user_regs_struct regs;

	victim_must((int)ptrace(PTRACE_GETREGS, pid, 0, &regs), "registers");
	return (long)regs.rax == number &&
	       (ptrace(PTRACE_PEEKTEXT, pid, regs.rip, 0) & 0xffff) == 0x050f;
#else
	(void)pid, (void)number;
	errx(99, "not for this processor");
#endif
}

static void send_before(pid_t pid, long number)
{
	int status;

	while (!shared->is_bound)
		victim_pause();
	victim_must((int)ptrace(PTRACE_SEIZE, pid, 0, 0), "seize");
	victim_must((int)ptrace(PTRACE_INTERRUPT, pid, 0, 0), "interrupt");
	victim_must(waitpid(pid, &status, 0), "waitpid");
	shared->is_traced = 1;
	while (!is_before(pid, number)) {
		victim_must((int)ptrace(PTRACE_SINGLESTEP, pid, 0, 0), "step");
		victim_must(waitpid(pid, &status, 0), "waitpid");
	}
	victim_must((int)ptrace(PTRACE_DETACH, pid, 0, SIGTERM), "detach");
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_term};
	sigset_t term;
	pid_t pid;

	mode = argc == 2 ? argv[1] : "flag";
	victim_watchdog();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	victim_must(pipe2(wake_pipe, O_CLOEXEC), "pipe2");
	if (strstr(mode, "pipe"))
		action.sa_handler = on_term_wake;
	victim_must(sigaction(SIGTERM, &action, NULL), "sigaction");
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_SETMASK, is_mode("mask") ? &term : NULL, &outside);
	pid = victim_fork(serve);
	if (strncmp(mode, "early", 5))
		send_before(pid, is_mode("mask") ? SYS_ppoll : SYS_poll);
	else
		shared->is_traced = 1;
	while (!shared->has_seen && !victim_is_blocked(pid, SYS_poll))
		victim_pause();
	victim_say_pid("service", pid);
	victim_ready();
	victim_must((int)write(wake_pipe[1], "", 1), "write");
	victim_must(waitpid(pid, NULL, 0), "waitpid");
	return 0;
}
