/* Waiting for locks: EINTR with and without SA_RESTART, cancellation, death of the holder. */
#include "table.h"

#include <pthread.h>

static volatile sig_atomic_t arrived;

static void count(int signo)
{
	(void)signo;
	arrived = arrived + 1;
}

static int wait_posix(void)
{
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	return fcntl(table_file("held"), F_SETLKW, &lock);
}

static int wait_ofd(void)
{
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	return fcntl(table_file("held"), F_OFD_SETLKW, &lock);
}

static int wait_flock(void)
{
	return flock(table_file("flocked"), LOCK_EX);
}

static int wait_lockf(void)
{
	return lockf(table_file("held"), F_LOCK, 0);
}

static const struct {
	const char *name;
	int (*wait)(void);
	long number;
} kinds[] = {
	{ "fcntl", wait_posix, SYS_fcntl },
	{ "ofd", wait_ofd, SYS_fcntl },
	{ "flock", wait_flock, SYS_flock },
	{ "lockf", wait_lockf, SYS_fcntl },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Takes all of them; the descriptors are returned closed in the child by `forget`. */
static int held[2];

static void hold(void)
{
	struct flock lock = table_lock(F_WRLCK, SEEK_SET, 0, 0);

	held[0] = table_file("held");
	held[1] = table_file("flocked");
	if (fcntl(held[0], F_SETLK, &lock) || flock(held[1], LOCK_EX))
		show("hold failed\n");
}

static void forget(void)
{
	close(held[0]);
	close(held[1]);
}

static pid_t start_waiter(size_t kind, int flags)
{
	pid_t child = table_fork();

	if (child == 0) {
		struct sigaction action = { .sa_handler = count, .sa_flags = flags };
		forget();
		sigaction(SIGUSR1, &action, NULL);
		errno = ENOTNAM;
		int result = kinds[kind].wait();
		show("%s: %d %s, handler ran: %d\n", kinds[kind].name, result,
		     result ? strerrorname_np(errno) : "", (int)arrived);
		_exit(0);
	}
	table_await_blocked(child, child, kinds[kind].number);
	return child;
}

static void interrupted(void)
{
	hold();
	for (size_t i = 0; i < KINDS; i++) {
		pid_t child = start_waiter(i, 0);
		kill(child, SIGUSR1);
		table_reap("waiter", child);
	}
}

static void restarted(void)
{
	for (size_t i = 0; i < KINDS; i++) {
		hold();
		pid_t child = start_waiter(i, SA_RESTART);
		kill(child, SIGUSR1);
		/* Back in the same call: it was repeated. Then the locks are given up. */
		table_await_blocked(child, child, kinds[i].number);
		forget();
		table_reap("waiter", child);
	}
}

static void killed(void)
{
	hold();
	for (size_t i = 0; i < KINDS; i++) {
		pid_t child = start_waiter(i, 0);
		kill(child, SIGTERM);
		table_reap("waiter", child);
	}
}

static void stopped(void)
{
	hold();
	pid_t child = start_waiter(0, 0);
	int status;
	kill(child, SIGSTOP);
	waitpid(child, &status, WUNTRACED);
	show("stopped %d\n", WIFSTOPPED(status));
	kill(child, SIGCONT);
	table_await_blocked(child, child, SYS_fcntl);
	forget();
	table_reap("waiter", child);
}

static pid_t thread_id;

static void tidy(void *unused)
{
	(void)unused;
	show("cleaned up\n");
}

static void *wait_in_thread(void *argument)
{
	size_t kind = (size_t)argument;

	pthread_cleanup_push(tidy, NULL);
	__atomic_store_n(&thread_id, gettid(), __ATOMIC_RELEASE);
	show("%s returned %d\n", kinds[kind].name, kinds[kind].wait());
	pthread_testcancel();
	show("not cancelled\n");
	pthread_cleanup_pop(0);
	return NULL;
}

static void *wait_async(void *argument)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	return wait_in_thread(argument);
}

/* A child holds the locks, so that the threads of this process have somebody to wait for. */
static void cancel_all(void *(*body)(void *), size_t kind_count)
{
	int ready[2];
	char byte;

	if (pipe(ready))
		return;
	pid_t holder = table_fork();
	if (holder == 0) {
		hold();
		_exit(write(ready[1], "", 1) == 1 ? pause() : 1);
	}
	if (read(ready[0], &byte, 1) != 1)
		return;
	for (size_t i = 0; i < kind_count; i++) {
		pthread_t thread;
		void *result = NULL;
		pid_t tid;
		__atomic_store_n(&thread_id, 0, __ATOMIC_RELEASE);
		pthread_create(&thread, NULL, body, (void *)i);
		while (!(tid = __atomic_load_n(&thread_id, __ATOMIC_ACQUIRE)))
			table_pause();
		table_await_blocked(getpid(), tid, kinds[i].number);
		int cancelled = pthread_cancel(thread);
		if (kinds[i].wait == wait_flock) { /* no cancellation point: it must be granted */
			kill(holder, SIGKILL);
			waitpid(holder, NULL, 0);
			holder = 0;
		}
		int joined = pthread_join(thread, &result);
		show("cancel %d join %d cancelled %d\n", cancelled, joined,
		     result == PTHREAD_CANCELED);
	}
	if (holder) {
		kill(holder, SIGKILL);
		table_reap("holder", holder);
	}
}

static void cancel_deferred(void)
{
	cancel_all(wait_in_thread, 3);
}

static void cancel_at_once(void)
{
	cancel_all(wait_async, 2);
}

static void deadlock(void)
{
	struct flock first = table_lock(F_WRLCK, SEEK_SET, 0, 1);
	struct flock second = table_lock(F_WRLCK, SEEK_SET, 1, 1);
	int fd = table_file("held"), ready[2];
	char byte;

	if (pipe(ready))
		return;
	SHOW(fcntl(fd, F_SETLKW, &first));
	pid_t child = table_fork();
	if (child == 0) {
		if (fcntl(fd, F_SETLKW, &second) || write(ready[1], "", 1) != 1)
			_exit(1);
		_exit(fcntl(fd, F_SETLKW, &first) ? 2 : 0);
	}
	if (read(ready[0], &byte, 1) != 1)
		return;
	table_await_blocked(child, child, SYS_fcntl);
	SHOW(fcntl(fd, F_SETLKW, &second));
	first.l_type = F_UNLCK;
	SHOW(fcntl(fd, F_SETLKW, &first));
	table_reap("child", child);
	SHOW(fcntl(fd, F_SETLKW, &second));
}

static const struct table_case cases[] = {
	{ "EINTR without SA_RESTART", interrupted },
	{ "SA_RESTART", restarted },
	{ "killed while waiting", killed },
	{ "stopped while waiting", stopped },
	{ "pthread_cancel", cancel_deferred },
	{ "asynchronous pthread_cancel", cancel_at_once },
	{ "EDEADLK", deadlock },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return table_main(cases, argc, argv);
}
