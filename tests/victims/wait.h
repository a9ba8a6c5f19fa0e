/*
 * The body of the victims wait-*.c: a process holds a lock, two children ask for the same and wait for
 * it. Before it is included: take(fd), which asks for the lock and waits; TAKE_SYSCALL, what that sleeps in.
 */
static const char *path;
static int held;

static void wait_for_it(void)
{
	close(held); /* else an open file description would be shared */
	victim_must(take(victim_open(path)), "take");
}

int main(int argc, char **argv)
{
	pid_t waiters[2];

	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	held = victim_open(path);
	victim_must(take(held), "take");
	for (int i = 0; i < 2; i++) {
		waiters[i] = victim_fork(wait_for_it);
		victim_await_blocked(waiters[i], TAKE_SYSCALL);
		victim_say_pid("waiter", waiters[i]);
	}
	victim_ready();
	close(held);
	while (wait(NULL) > 0)
		;
	return 0;
}
