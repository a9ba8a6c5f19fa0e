/*
 * Scenario: a process waits, uninterruptible, for its child by vfork, which waits for the end of
 * standard input.
 * Expect: where it is is told without touching it.
 */
#include "victim.h"

/* A function of its own: what the child does to the frame of a parent that goes on is undefined. */
static __attribute__((noinline)) pid_t fork_and_wait(void)
{
	pid_t pid = vfork();

	if (!pid) {
		victim_say("ready");
		victim_await_end();
		_exit(0);
	}
	return pid;
}

int main(void)
{
	victim_watchdog();
	return fork_and_wait() > 0 ? 0 : 99;
}
