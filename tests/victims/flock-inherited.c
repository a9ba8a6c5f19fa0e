/*
 * Scenario: a process takes a lock by flock(2), forks and exits; its child keeps the descriptor,
 * and with it the lock. The kernel names the dead taker.
 * Expect: the child holds the lock (it is inherited); the dead parent holds nothing.
 * Twin: flock-handed-back.c.
 */
#include "victim.h"

static void take_and_hand_down(int fd)
{
	victim_must(flock(fd, LOCK_EX), "flock");
	pid_t heir = fork();
	if (heir == 0) {
		victim_await_end();
		_exit(0);
	}
	victim_say_pid("taker", getpid());
	victim_say_pid("heir", heir);
	_exit(0);
}

int main(int argc, char **argv)
{
	victim_watchdog();
	int fd = victim_open(argc > 1 ? argv[1] : "lock");
	pid_t taker = fork();
	if (taker == 0)
		take_and_hand_down(fd);
	close(fd);
	waitpid(taker, NULL, 0);
	victim_ready();
	return 0;
}
