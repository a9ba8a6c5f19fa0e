/*
 * The body of the victims alone-*.c, twins of wait-*.c: children have taken the lock one after the other
 * and are gone when the process takes it. Before it is included: take(fd), which asks for the lock.
 */
static const char *path;

static void take_and_leave(void)
{
	int fd = victim_open(path);

	victim_must(take(fd), "take");
	close(fd);
}

int main(int argc, char **argv)
{
	path = argc > 1 ? argv[1] : "lock";
	victim_watchdog();
	for (int i = 0; i < 2; i++)
		waitpid(victim_fork(take_and_leave), NULL, 0);
	int fd = victim_open(path);
	victim_must(take(fd), "take");
	victim_ready();
	close(fd);
	return 0;
}
