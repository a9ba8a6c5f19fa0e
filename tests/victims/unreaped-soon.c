/*
 * Scenario: three children have ended, and a thread waits for a fourth one, which lives on: the
 * parent is about to look after all of them. Another parent ("stopped") is stopped.
 * Expect: nothing.
 */
#include "tests/victims/children.h"

static void live_on(void)
{
	victim_await_end();
}

static void be_stopped(void)
{
	start_children(0);
	raise(SIGSTOP);
}

int main(void)
{
	pid_t fourth, stopped;

	victim_watchdog();
	signal(SIGCHLD, SIG_DFL);
	stopped = victim_fork(be_stopped);
	victim_must(waitpid(stopped, NULL, WUNTRACED), "waitpid");
	start_children(0);
	fourth = victim_fork(live_on);
	victim_say_pid("stopped", stopped);
	victim_say("ready");
	waitpid(fourth, NULL, 0);
	kill(stopped, SIGKILL);
	return 0;
}
