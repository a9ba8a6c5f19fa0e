/*
 * Scenario: a process holds a lock; N children ask for it, one after the other is in the queue.
 * When standard input ends, the lock is released, and each says when it is granted. Expect: it is
 * granted in the order in which it was asked for, unless somebody stops a waiter.
 */
#include "victim.h"

static const char *path = "lock", *kind;
static int held;

static void take(int fd)
{
	if (!strcmp(kind, "posix"))
		victim_must(victim_fcntl(fd, F_SETLKW, F_WRLCK, 0, 0), "posix");
	else if (!strcmp(kind, "ofd"))
		victim_must(victim_fcntl(fd, F_OFD_SETLKW, F_WRLCK, 0, 0), "ofd");
	else
		victim_must(flock(fd, LOCK_EX), "flock");
}

/* Says so while it still has the lock. */
static void wait_for_it(void)
{
	close(held);
	take(victim_open(path));
	victim_say_pid("granted", getpid());
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 2;
	long number;

	kind = argc > 1 ? argv[1] : "posix";
	number = !strcmp(kind, "flock") ? SYS_flock : SYS_fcntl;
	victim_watchdog();
	held = victim_open(path);
	take(held);
	for (int i = 0; i < count; i++) {
		pid_t waiter = victim_fork(wait_for_it);

		victim_await_blocked(waiter, number);
		victim_say_pid("waiter", waiter);
	}
	victim_ready();
	close(held);
	while (wait(NULL) > 0)
		;
	return 0;
}
