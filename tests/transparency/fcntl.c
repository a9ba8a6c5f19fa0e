/* Every command of fcntl(), by both of its names: arguments, results, errno. */
#include "table.h"

#include <limits.h>
#include <sys/mman.h>

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

static volatile sig_atomic_t arrived;

static void count(int signo)
{
	(void)signo;
	arrived = arrived + 1;
}

static void descriptors(void)
{
	int fd = table_file("file"), other;

	SHOW(fcntl(fd, F_DUPFD, 20));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 20));
	SHOW(fcntl(20, F_GETFD));
	SHOW(fcntl(21, F_GETFD));
	SHOW(fcntl(20, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(20, F_GETFD));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD, INT_MAX));
	SHOW(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	SHOW(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	SHOW(fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	SHOW(fcntl64(fd, F_GETFL) & ~O_LARGEFILE);
	SHOW(fcntl64(fd, F_DUPFD, 30));
	SHOW(fcntl(fd, F_GETFL, 1, 2, 3) & ~O_LARGEFILE);
	other = dup(fd);
	show("lowest descriptor: %d\n", other - fd);
}

static void owner(void)
{
	int ends[2];
	struct f_owner_ex ex = { .type = F_OWNER_TID, .pid = gettid() };
	uint32_t uids[2] = { 1, 1 };

	if (pipe(ends))
		return;
	SHOW(fcntl(ends[0], F_GETOWN));
	SHOW(fcntl(ends[0], F_SETOWN, getpid()));
	show("owner is self: %d\n", fcntl(ends[0], F_GETOWN) == getpid());
	SHOW(fcntl(ends[0], F_SETOWN, -getpgrp()));
	show("owner is group: %d\n", fcntl(ends[0], F_GETOWN) == -getpgrp());
	SHOW(fcntl(ends[0], F_SETOWN_EX, &ex));
	memset(&ex, 0, sizeof(ex));
	SHOW(fcntl(ends[0], F_GETOWN_EX, &ex));
	show("type %d self %d\n", ex.type, ex.pid == gettid());
	ex.type = 77;
	SHOW(fcntl(ends[0], F_SETOWN_EX, &ex));
	SHOW(fcntl(ends[0], F_SETOWN_EX, (void *)8));
	SHOW(fcntl(ends[0], F_GETOWN_EX, (void *)8));
	SHOW(fcntl(ends[0], F_SETSIG, SIGUSR1));
	SHOW(fcntl(ends[0], F_GETSIG));
	SHOW(fcntl(ends[0], F_SETSIG, 1000));
	SHOW(fcntl(ends[0], F_GETOWNER_UIDS, uids));
	show("uids %u %u\n", uids[0], uids[1]);
}

static void signal_driven(void)
{
	int ends[2];

	signal(SIGUSR1, count);
	if (pipe(ends))
		return;
	SHOW(fcntl(ends[0], F_SETOWN, getpid()));
	SHOW(fcntl(ends[0], F_SETSIG, SIGUSR1));
	SHOW(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	SHOW(write(ends[1], "x", 1));
	show("arrived %d\n", (int)arrived);
}

static void pipes_and_seals(void)
{
	int ends[2], memory = memfd_create("seals", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (pipe(ends))
		return;
	SHOW(fcntl(ends[0], F_GETPIPE_SZ));
	SHOW(fcntl(ends[0], F_SETPIPE_SZ, 8192));
	SHOW(fcntl(ends[0], F_GETPIPE_SZ));
	SHOW(fcntl(ends[0], F_SETPIPE_SZ, -1));
	SHOW(fcntl(memory, F_GETPIPE_SZ));
	SHOW(fcntl(memory, F_GET_SEALS));
	SHOW(fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	SHOW(fcntl(memory, F_GET_SEALS));
	SHOW(ftruncate(memory, 10));
	SHOW(fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(ends[0], F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(ends[0], F_GET_SEALS));
}

static void leases(void)
{
	int fd = table_file("leased"), status = 0;

	signal(SIGIO, count);
	SHOW(fcntl(fd, F_GETLEASE));
	SHOW(fcntl(fd, F_SETLEASE, F_WRLCK));
	SHOW(fcntl(fd, F_GETLEASE));
	pid_t child = table_fork();
	if (child == 0)
		_exit(open("leased", O_RDONLY | O_NONBLOCK) < 0 ? errno : 0);
	waitpid(child, &status, 0);
	table_show_status("opener", status);
	show("arrived %d\n", (int)arrived);
	SHOW(fcntl(fd, F_SETLEASE, F_UNLCK));
	SHOW(fcntl(fd, F_GETLEASE));
	SHOW(fcntl(fd, F_SETLEASE, 99));
}

static void notify(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	signal(SIGIO, count);
	SHOW(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
	close(table_file("created"));
	show("arrived %d\n", (int)arrived);
	SHOW(fcntl(fd, F_NOTIFY, 0));
	SHOW(fcntl(table_file("created"), F_NOTIFY, DN_CREATE));
}

static void hints(void)
{
	int fd = table_file("hints");
	uint64_t hint = 0;

	SHOW(fcntl(fd, F_GET_RW_HINT, &hint));
	show("hint %llu\n", (unsigned long long)hint);
	hint = 3;
	SHOW(fcntl(fd, F_SET_RW_HINT, &hint));
	SHOW(fcntl(fd, F_GET_RW_HINT, &hint));
	show("hint %llu\n", (unsigned long long)hint);
	hint = 99;
	SHOW(fcntl(fd, F_SET_RW_HINT, &hint));
	SHOW(fcntl(fd, F_GET_FILE_RW_HINT, &hint));
	SHOW(fcntl(fd, F_SET_RW_HINT, (void *)8));
}

static void who_holds(int command, const char *what)
{
	int fd = table_file("held");
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	errno = ENOTNAM;
	int result = fcntl(fd, command, &lock);
	show("%s = %d %s type %d whence %d start %ld len %ld by %s\n", what, result,
	     strerrorname_np(errno), lock.l_type, lock.l_whence, (long)lock.l_start,
	     (long)lock.l_len, lock.l_pid == getppid() ? "parent" : lock.l_pid == -1 ? "-1" : "other");
}

static void ask_in_child(void)
{
	pid_t child = table_fork();

	if (child == 0) {
		who_holds(F_GETLK, "F_GETLK");
		who_holds(F_OFD_GETLK, "F_OFD_GETLK");
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void change(int fd, int command, struct flock lock)
{
	struct flock before = lock;

	errno = ENOTNAM;
	int result = fcntl(fd, command, &lock);
	show("command %d type %d [%ld,+%ld] = %d %s%s\n", command, lock.l_type, (long)lock.l_start,
	     (long)lock.l_len, result, strerrorname_np(errno),
	     memcmp(&before, &lock, sizeof(lock)) ? " struct changed" : "");
	ask_in_child();
}

static void locks_seen_by_others(void)
{
	int fd = table_file("held");

	change(fd, F_SETLK, table_lock(F_WRLCK, SEEK_SET, 10, 90));
	change(fd, F_SETLK, table_lock(F_UNLCK, SEEK_SET, 0, 30));
	change(fd, F_SETLKW, table_lock(F_RDLCK, SEEK_SET, 30, 10));
	change(fd, F_SETLK, table_lock(F_UNLCK, SEEK_SET, 0, 40));
	change(fd, F_SETLK, table_lock(F_UNLCK, SEEK_SET, 0, 0));
	change(fd, F_OFD_SETLK, table_lock(F_WRLCK, SEEK_SET, 5, 0));
	change(fd, F_OFD_SETLKW, table_lock(F_UNLCK, SEEK_SET, 5, 0));
	change(fd, F_SETLK, table_lock(F_WRLCK, SEEK_END, 0, 0));
	close(table_file("held"));
	ask_in_child();
}

static void other_name(void)
{
	int fd = table_file("held");
	struct flock64 lock = { .l_type = F_WRLCK };

	SHOW(fcntl64(fd, F_SETLK64, &lock));
	ask_in_child();
	SHOW(fcntl64(fd, F_OFD_SETLK, &lock));
	lock.l_type = F_UNLCK;
	SHOW(fcntl64(fd, F_SETLKW64, &lock));
	ask_in_child();
	SHOW(lockf(fd, F_TLOCK, 100));
	SHOW(lockf64(fd, F_ULOCK, 50));
	ask_in_child();
	SHOW(lockf(fd, F_TEST, 0));
}

static void refused(void)
{
	int fd = table_file("held"), flocked = table_file("flocked");
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	SHOW(fcntl(fd, F_SETLK, &lock));
	SHOW(flock(flocked, LOCK_EX));
	pid_t child = table_fork();
	if (child == 0) {
		fd = table_file("held");
		flocked = table_file("flocked");
		SHOW(fcntl(fd, F_SETLK, &lock));
		SHOW(lockf(fd, F_TLOCK, 0));
		SHOW(lockf(fd, F_TEST, 0));
		SHOW(flock(flocked, LOCK_EX | LOCK_NB));
		SHOW(flock(flocked, LOCK_SH | LOCK_NB));
		lock.l_type = F_UNLCK;
		SHOW(fcntl(fd, F_SETLK, &lock));
		SHOW(flock(flocked, LOCK_UN));
		_exit(0);
	}
	table_reap("child", child);
	SHOW(flock(flocked, LOCK_SH | LOCK_NB));
	SHOW(flock(flocked, LOCK_UN));
}

static const struct table_case cases[] = {
	{ "descriptors", descriptors },
	{ "owner", owner },
	{ "signal driven input", signal_driven },
	{ "pipes and seals", pipes_and_seals },
	{ "leases", leases },
	{ "directory notification", notify },
	{ "write-life hints", hints },
	{ "locks as others see them", locks_seen_by_others },
	{ "fcntl64, lockf, lockf64", other_name },
	{ "refused requests", refused },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
