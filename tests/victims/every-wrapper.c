/*
 * Scenario: every wrapped function that takes, drops or keeps a file lock, each on a file of its
 * own that is named after it; and every one that installs a handler, each for a signal of its own.
 * Expect: "took-*" files are held, "drop-*" files are not; one handler for each signal it says.
 */
#include "handler.h"

#include <dlfcn.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset */

extern sighandler_t bsd_signal(int signo, sighandler_t handler);
extern sighandler_t __sysv_signal(int signo, sighandler_t handler);

static int lock_file(const char *name)
{
	int fd = victim_open(name);

	victim_must(victim_fcntl(fd, F_SETLK, F_WRLCK, 0, 0), name);
	return fd;
}

static void take_all(void)
{
	struct flock64 lock = { .l_type = F_WRLCK };

	lock_file("took-fcntl-F_SETLK");
	victim_must(victim_fcntl(victim_open("took-fcntl-F_SETLKW"), F_SETLKW, F_WRLCK, 0, 0), "a");
	victim_must(victim_fcntl(victim_open("took-fcntl-F_OFD_SETLK"), F_OFD_SETLK, F_WRLCK, 0, 0), "b");
	victim_must(victim_fcntl(victim_open("took-fcntl-F_OFD_SETLKW"), F_OFD_SETLKW, F_WRLCK, 0, 0), "c");
	victim_must(fcntl64(victim_open("took-fcntl64"), F_SETLK64, &lock), "fcntl64");
	victim_must(flock(victim_open("took-flock"), LOCK_EX), "flock");
	victim_must(lockf(victim_open("took-lockf-F_LOCK"), F_LOCK, 0), "lockf");
	victim_must(lockf(victim_open("took-lockf-F_TLOCK"), F_TLOCK, 0), "lockf");
	victim_must(lockf64(victim_open("took-lockf64"), F_LOCK, 0), "lockf64");
}

static void drop_all(void)
{
	victim_must(close(lock_file("drop-close")), "close");
	victim_must((int)syscall(SYS_dup3, victim_open("drop-other"), 100, O_CLOEXEC), "dup3");
	victim_must(dup2(victim_open("drop-other"), lock_file("drop-dup2")), "dup2");
	victim_must(dup3(victim_open("drop-other"), lock_file("drop-dup3"), O_CLOEXEC), "dup3");
	victim_must(fclose(fdopen(lock_file("drop-fclose"), "r+")), "fclose");
	int fd = lock_file("drop-close_range");
	victim_must(close_range((unsigned)fd, (unsigned)fd, 0), "close_range");
	fd = lock_file("drop-closefrom");
	victim_must(fd < 500 ? dup2(fd, 500) : 0, "dup2");
	closefrom(500); /* a descriptor of the file was closed: that is enough */
	victim_must(victim_fcntl(lock_file("drop-fcntl-F_UNLCK"), F_SETLK, F_UNLCK, 0, 0), "unlock");
	victim_must(victim_fcntl(lock_file("drop-fcntl-F_SETLKW"), F_SETLKW, F_UNLCK, 0, 0), "unlock");
	victim_must(lockf(lock_file("drop-lockf"), F_ULOCK, 0), "lockf");
	fd = victim_open("drop-flock");
	victim_must(flock(fd, LOCK_EX) | flock(fd, LOCK_UN), "flock");
	fd = victim_open("drop-ofd-close");
	victim_must(victim_fcntl(fd, F_OFD_SETLK, F_WRLCK, 0, 0) | close(fd), "ofd");
}

static void on_signal(int signo)
{
	(void)signo;
}

static void install_all(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	victim_must(sigaction(SIGUSR1, &action, NULL), "sigaction");
	victim_must(-(signal(SIGUSR2, on_signal) == SIG_ERR), "signal");
	victim_must(-(bsd_signal(SIGHUP, on_signal) == SIG_ERR), "bsd_signal");
	victim_must(-(__sysv_signal(SIGWINCH, on_signal) == SIG_ERR), "__sysv_signal");
	victim_must(-(sigset(SIGURG, on_signal) == SIG_ERR), "sigset");
	victim_say("handlers SIGUSR1 SIGUSR2 SIGHUP SIGWINCH SIGURG");
}

int main(void)
{
	victim_watchdog();
	take_all();
	drop_all();
	install_all();
	victim_ready();
	return 0;
}
