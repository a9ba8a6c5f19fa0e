/*
 * Scenario (the first argument): a handler takes a lock that code outside of it takes as well, in the file
 * `lock` or in another. Some come while the lock is held, some do not.
 * Expect: lock-in-handler for the first eight, with what truly happens; nothing for the others, the
 * innocent twins: blocked, trying, another file, other bytes, readers, a loop that lets the signal in where
 * nothing is held. And unsafe-held, unsafe-free: a handler calls malloc() while the lock is held, or is not.
 */
#include "handler.h"

#include <sys/wait.h>

static int first, second, other;
static const char *scene;
static volatile sig_atomic_t is_done;
static void *volatile kept;

static bool is(const char *name)
{
	return !strcmp(scene, name);
}

/* Ten bytes; a refusal is an answer. */
static void request(int fd, int command, short type, off_t start)
{
	if (victim_fcntl(fd, command, type, start, 10) < 0 && errno != EAGAIN)
		_exit(98);
}

/* What the handler of SIGUSR1 does. */
static void take_inside(void)
{
	if (is("posix-held") || is("posix-free") || is("posix-blocked") || is("posix-let-in"))
		request(second, F_SETLKW, F_WRLCK, 0), request(second, F_SETLK, F_UNLCK, 0);
	else if (is("posix-tried"))
		request(second, F_SETLK, F_WRLCK, 0), request(second, F_SETLK, F_UNLCK, 0);
	else if (is("ofd-two") || is("ofd-stuck") || is("posix-and-ofd"))
		request(second, F_OFD_SETLKW, F_WRLCK, 0), request(second, F_OFD_SETLK, F_UNLCK, 0);
	else if (is("flock-two") || is("flock-blocked"))
		flock(second, LOCK_EX), flock(second, LOCK_UN);
	else if (is("flock-one"))
		flock(first, LOCK_EX), flock(first, LOCK_UN);
	else if (is("ofd-tried"))
		request(second, F_OFD_SETLK, F_WRLCK, 0), request(second, F_OFD_SETLK, F_UNLCK, 0);
	else if (is("flock-tried"))
		flock(second, LOCK_EX | LOCK_NB), flock(second, LOCK_UN);
	else if (is("another-file") || is("waited"))
		request(other, F_SETLKW, F_WRLCK, 0), request(other, F_SETLK, F_UNLCK, 0);
	else if (is("other-bytes"))
		request(second, F_SETLKW, F_WRLCK, 50), request(second, F_SETLK, F_UNLCK, 50);
	else if (is("readers"))
		request(second, F_OFD_SETLKW, F_RDLCK, 0), request(second, F_OFD_SETLK, F_UNLCK, 0);
	else if (!strncmp(scene, "unsafe", 6))
		kept = malloc(10);
	else
		_exit(97);
}

static void on_usr1(int signo)
{
	int saved_errno = errno;

	(void)signo;
	take_inside();
	is_done = 1;
	errno = saved_errno;
}

/* The lock outside of the handler; `inside` is run while it is held. */
static void hold(void (*inside)(void))
{
	bool is_flock = !strncmp(scene, "flock", 5) || !strncmp(scene, "unsafe", 6), is_ofd = !strncmp(scene, "ofd", 3) || is("readers");

	if (is_flock)
		victim_must(flock(first, LOCK_EX), "flock");
	else if (is_ofd)
		request(first, F_OFD_SETLKW, is("readers") ? F_RDLCK : F_WRLCK, 0);
	else
		request(first, F_SETLKW, F_WRLCK, 0);
	inside();
	if (is_flock)
		victim_must(flock(first, LOCK_UN), "flock");
	else if (is_ofd)
		request(first, F_OFD_SETLK, F_UNLCK, 0);
	else
		request(first, F_SETLK, F_UNLCK, 0);
}

static void do_nothing(void)
{
}

static void signal_oneself(void)
{
	victim_must(kill(getpid(), SIGUSR1), "kill");
}

static void block(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	victim_must(sigprocmask(how, &set, NULL), "sigprocmask");
}

/* The signal comes while the lock is held, or waits until it is let in. */
static void be_blocked(void)
{
	sigset_t none;

	sigemptyset(&none);
	block(SIG_BLOCK);
	hold(signal_oneself);
	if (is("posix-let-in"))
		sigsuspend(&none);
	block(SIG_UNBLOCK);
}

/* Another process has the lock, and gives it up when it sees us wait in the handler. */
static void hold_for_parent(void)
{
	request(other, F_SETLKW, F_WRLCK, 0);
	victim_await_blocked(getppid(), SYS_fcntl);
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void await_lock_of_child(void)
{
	pid_t child = victim_fork(hold_for_parent);
	struct flock lock = {.l_type = F_WRLCK};

	do {
		victim_pause();
		lock.l_type = F_WRLCK;
		victim_must(fcntl(other, F_GETLK, &lock), "F_GETLK");
	} while (lock.l_type == F_UNLCK);
	signal_oneself();
	waitpid(child, NULL, 0);
}

/* Tells when its parent, alone with itself, has come to rest. */
static void tell_stuck(void)
{
	victim_await_blocked(getppid(), SYS_fcntl);
	victim_ready();
	kill(getppid(), SIGKILL);
}

int main(int argc, char **argv)
{
	victim_watchdog();
	scene = argc > 1 ? argv[1] : "";
	first = victim_open("lock");
	second = victim_open("lock");
	other = victim_open("other");
	signal(SIGUSR1, on_usr1);
	if (is("waited")) {
		await_lock_of_child();
	} else if (is("ofd-stuck")) {
		victim_fork(tell_stuck);
		hold(signal_oneself);
	} else if (strstr(scene, "blocked") || is("posix-let-in")) {
		be_blocked();
	} else if (strstr(scene, "-held") || strstr(scene, "tried") || is("another-file") || is("readers")) {
		hold(signal_oneself);
	} else {
		hold(do_nothing);
		signal_oneself();
	}
	if (is_done)
		victim_ready();
	return 0;
}
