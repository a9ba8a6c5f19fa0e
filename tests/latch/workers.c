/* What the threads of rounds.c do all the time, and what must come out of it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/latch/rounds.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread unsigned seed;

static unsigned any(unsigned below)
{
	if (!seed)
		seed = (unsigned)(uintptr_t)&seed >> 4;
	return (unsigned)rand_r(&seed) % below;
}

static int open_file(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", rounds_folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	HOLDS(fd >= 0);
	return fd;
}

/* --- locks: never two inside ---------------------------------------------------------------------- */

static void meet(_Atomic int *inside)
{
	HOLDS(atomic_fetch_add(inside, 1) == 0);
	if (any(4) == 0)
		sched_yield();
	HOLDS(atomic_fetch_sub(inside, 1) == 1);
}

static void turn_flock(struct worker *w)
{
	static _Atomic int inside;
	int fd = open_file("flock"), copy;

	(void)w;
	if (any(2))
		HOLDS(flock(fd, LOCK_SH) == 0);
	HOLDS(flock(fd, LOCK_EX) == 0);
	meet(&inside);
	copy = dup(fd);
	HOLDS(copy >= 0);
	if (any(2))
		HOLDS(flock(copy, LOCK_UN) == 0);
	close(fd);
	close(copy);
}

static void turn_ofd(struct worker *w)
{
	static _Atomic int inside;
	struct flock lock = {.l_type = F_WRLCK, .l_start = 10, .l_len = 20};
	int fd = open_file("ofd");

	(void)w;
	HOLDS(fcntl(fd, F_OFD_SETLKW, &lock) == 0);
	meet(&inside);
	lock.l_type = F_UNLCK;
	if (any(2))
		HOLDS(fcntl(fd, F_OFD_SETLK, &lock) == 0);
	close(fd);
}

/* One thread, all by itself: the kernel's answers are known. */
static void turn_posix(struct worker *w)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 100}, question = {.l_type = F_WRLCK};
	int fd = open_file("posix"), other = open_file("posix");

	(void)w;
	HOLDS(fcntl(fd, F_SETLKW, &lock) == 0);
	HOLDS(fcntl(other, F_OFD_GETLK, &question) == 0 && question.l_type == F_WRLCK);
	HOLDS(question.l_pid == getpid() && question.l_len == 100);
	HOLDS(lseek(fd, 200, SEEK_SET) == 200 && lockf(fd, F_TLOCK, 10) == 0);
	errno = 12345;
	close(other); /* and all are gone */
	HOLDS(errno == 12345);
	other = open_file("posix");
	question = (struct flock){.l_type = F_WRLCK};
	HOLDS(fcntl(other, F_OFD_GETLK, &question) == 0 && question.l_type == F_UNLCK);
	close(fd);
	close(other);
}

/* --- memory --------------------------------------------------------------------------------------- */

static void turn_malloc(struct worker *w)
{
	size_t size = 1 + any(3000);
	unsigned char *p = malloc(size), byte = (unsigned char)any(256);

	(void)w;
	HOLDS(p);
	memset(p, byte, size);
	p = realloc(p, size * 2);
	HOLDS(p);
	for (size_t i = 0; i < size; i++)
		HOLDS(p[i] == byte);
	free(p);
}

/* --- signals -------------------------------------------------------------------------------------- */

static __thread volatile int got_a, got_b;

static void on_a(int signo)
{
	(void)signo;
	got_a++;
}

static void on_b(int signo, siginfo_t *info, void *context)
{
	HOLDS(info->si_signo == signo && context);
	got_b++;
}

/*
 * What was installed: exactly. Only a call of sigaction() that was on its way to the kernel when the recorder
 * came may be shown the recorder's own handler (docs/architecture.md): in few of all rounds.
 */
static _Atomic uint64_t shown;

static void check_old(const struct sigaction *old, const struct sigaction *wanted)
{
	Dl_info info;

	if (old->sa_sigaction != wanted->sa_sigaction &&
	    dladdr((void *)old->sa_sigaction, &info) && strstr(info.dli_fname, "liblockjam")) {
		HOLDS(wanted->sa_handler == on_a && ++shown <= 10 + rounds_done() / 10);
		return;
	}
	HOLDS(old->sa_sigaction == wanted->sa_sigaction);
	HOLDS((old->sa_flags & ~0x04000000) == wanted->sa_flags);
	HOLDS(!memcmp(&old->sa_mask, &wanted->sa_mask, 8));
}

static void turn_signal(struct worker *w)
{
	struct sigaction a = {.sa_handler = on_a, .sa_flags = SA_RESTART}, old;
	struct sigaction b = {.sa_sigaction = on_b,
			      .sa_flags = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER};
	int before = got_a;

	(void)w;
	sigaddset(&a.sa_mask, SIGTERM);
	HOLDS(sigaction(SIGUSR1, &a, NULL) == 0);
	HOLDS(raise(SIGUSR1) == 0 && got_a == before + 1);
	HOLDS(sigaction(SIGUSR1, &b, &old) == 0);
	check_old(&old, &a);
	HOLDS(sigaction(SIGUSR1, &b, NULL) == 0);
	before = got_b;
	HOLDS(raise(SIGUSR1) == 0 && got_b == before + 1);
	HOLDS(sigaction(SIGUSR1, NULL, &old) == 0);
	HOLDS(old.sa_handler == SIG_DFL);
}

/* Handlers in the middle of everything, on all threads. */
static void turn_kill(struct worker *w)
{
	struct timespec time = {0, 200000};

	(void)w;
	HOLDS(kill(getpid(), any(2) ? SIGUSR2 : SIGWINCH) == 0);
	nanosleep(&time, NULL);
}

/* A handler of ours may not be needed: the thread waits for what a handler interrupts. */
static void turn_pause(struct worker *w)
{
	sigset_t wait, old;

	(void)w;
	sigemptyset(&wait);
	sigaddset(&wait, SIGURG);
	pthread_sigmask(SIG_BLOCK, &wait, &old);
	HOLDS(pthread_kill(pthread_self(), SIGURG) == 0);
	HOLDS(sigtimedwait(&wait, NULL, &(struct timespec){5, 0}) == SIGURG);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* --- processes ------------------------------------------------------------------------------------ */

static void await_child(pid_t child, int status)
{
	int found;

	HOLDS(child > 0);
	while (waitpid(child, &found, 0) < 0)
		HOLDS(errno == EINTR);
	HOLDS(WIFEXITED(found) && WEXITSTATUS(found) == status);
}

static void child(int status)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open_file("child");
	if (flock(fd, LOCK_EX) || !malloc(100) || raise(SIGUSR2))
		_exit(99);
	close(fd);
	if (any(2))
		_exit(status);
	_Exit(status);
}

static pid_t run_by_vfork(const char *path)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execl(path, "sh", "-c", "exit 7", NULL);
		_exit(98);
	}
	return pid;
}

static void turn_fork(struct worker *w)
{
	char *const arguments[] = {"sh", "-c", "exit 7", NULL};
	int status = (int)any(50);
	pid_t pid;

	(void)w;
	switch (any(12)) {
	case 0:
		await_child(run_by_vfork("/bin/sh"), 7);
		break;
	case 1:
		HOLDS(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ) == 0);
		await_child(pid, 7);
		break;
	default:
		pid = fork();
		if (pid == 0)
			child(status);
		await_child(pid, status);
	}
}

/* --- libraries ------------------------------------------------------------------------------------ */

/* By its bare name: the loader finds it by the RUNPATH of who calls dlopen(). */
static void turn_load(struct worker *w)
{
	const char *name = any(2) ? "plugin-lazy.so" : "plugin-now.so";
	void *plugin = dlopen(name, any(2) ? RTLD_LAZY : RTLD_NOW);
	int (*use)(const char *, int);

	(void)w;
	if (!plugin)
		fprintf(stderr, "%s\n", dlerror());
	HOLDS(plugin);
	use = (int (*)(const char *, int))dlsym(plugin, "plugin_use");
	HOLDS(use);
	for (int i = (int)any(3); i >= 0; i--)
		HOLDS(use(rounds_folder, 20 + i) == 20 + i);
	HOLDS(dlclose(plugin) == 0);
}

static void turn_throw(struct worker *w)
{
	static int (*use)(int);

	static bool is_absent; /* no C++ compiler */
	void *plugin = use || is_absent ? NULL : dlopen("plugin-throw.so", RTLD_NOW);

	(void)w;
	is_absent |= !use && !plugin;
	if (plugin)
		use = (int (*)(int))dlsym(plugin, "plugin_throw");
	if (is_absent) {
		usleep(1000);
		return;
	}
	HOLDS(use);
	HOLDS(use(30) == 30);
}

/* Threads that come and go. */
static void *begin(void *data)
{
	int fd = open_file("thread");

	HOLDS(flock(fd, LOCK_SH) == 0);
	close(fd);
	return data;
}

static void turn_thread(struct worker *w)
{
	pthread_t thread;
	void *result;

	HOLDS(pthread_create(&thread, NULL, begin, w) == 0);
	HOLDS(pthread_join(thread, &result) == 0 && result == w);
}

struct worker workers[] = {
	{.name = "flock", .turn = turn_flock, .threads = 3},
	{.name = "ofd", .turn = turn_ofd, .threads = 3},
	{.name = "posix", .turn = turn_posix, .threads = 1},
	{.name = "malloc", .turn = turn_malloc, .threads = 2},
	{.name = "signal", .turn = turn_signal, .threads = 1},
	{.name = "kill", .turn = turn_kill, .threads = 1},
	{.name = "pause", .turn = turn_pause, .threads = 1},
	{.name = "fork", .turn = turn_fork, .threads = 1},
	{.name = "load", .turn = turn_load, .threads = 1},
	{.name = "throw", .turn = turn_throw, .threads = 1},
	{.name = "thread", .turn = turn_thread, .threads = 1},
	{.name = NULL},
};
