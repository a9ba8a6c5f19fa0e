/*
 * Scenario: a program that executes itself. Argument: what of signals goes over that.
 *   handler      it had a handler of SIGHUP, and has none after that
 *   again        the handler is installed again
 *   blocked      SIGTERM was blocked, and stays so
 *   opened       it was, and is let in after that
 *   own          it is blocked after that only
 *   term         SIGTERM was ignored
 *   nohup        SIGHUP was ignored: so it is meant
 * Expect: signal-lost-by-exec of `handler` when SIGHUP has ended it, of `blocked` when a SIGTERM was sent,
 * a note of `term`; nothing of the others.
 */
#include "tests/victims/victim.h"

static void on_hup(int signo)
{
	(void)signo;
}

static void change_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(how, &set, NULL);
}

static void before(const char *mode)
{
	if (!strcmp(mode, "handler") || !strcmp(mode, "again"))
		signal(SIGHUP, on_hup);
	if (!strcmp(mode, "blocked") || !strcmp(mode, "opened"))
		change_mask(SIG_BLOCK);
	if (!strcmp(mode, "term"))
		signal(SIGTERM, SIG_IGN);
	if (!strcmp(mode, "nohup"))
		signal(SIGHUP, SIG_IGN);
}

static void after(const char *mode)
{
	if (!strcmp(mode, "again"))
		signal(SIGHUP, on_hup);
	if (!strcmp(mode, "opened"))
		change_mask(SIG_UNBLOCK);
	if (!strcmp(mode, "own"))
		change_mask(SIG_BLOCK);
}

int main(int argc, char **argv)
{
	victim_watchdog();
	if (argc == 2) {
		before(argv[1]);
		execl("/proc/self/exe", argv[0], argv[1], "executed", NULL);
		err(99, "exec");
	}
	after(argv[1]);
	victim_ready();
	return 0;
}
