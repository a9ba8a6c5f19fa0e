/*
 * What all victims share. A victim is a small program in one known state: it prints `ready` when
 * the state is proven, and ends when its stdin ends. Lines before `ready` tell the test numbers
 * that it cannot know ("waiter 4711"). A watchdog ends victims that nobody ends.
 *
 * Nothing here is safe in a handler but victim_say().
 */
#ifndef LOCKJAM_VICTIM_H
#define LOCKJAM_VICTIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VICTIM_SECONDS "120" /* unless the environment has another number of that name */

/* The state is proven by polling the kernel, which has no event for it. */
static inline void victim_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* Write a line without stdio: also for handlers. */
static inline void victim_say(const char *line)
{
	if (write(STDOUT_FILENO, line, strlen(line)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(99);
}

static inline void victim_say_pid(const char *key, pid_t pid)
{
	char line[64];

	snprintf(line, sizeof(line), "%s %d", key, (int)pid);
	victim_say(line);
}

/*
 * A timer may send SIGKILL, so the watchdog needs no handler and no thread, and takes no signal
 * from the scenario. A child has no timer, but dies with its parent.
 */
static inline void victim_watchdog(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	const char *seconds = getenv("VICTIM_SECONDS");
	struct itimerspec when = { .it_value.tv_sec = atoi(seconds ? seconds : VICTIM_SECONDS) };
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &when, NULL))
		err(99, "timer");
}

static inline void victim_await_end(void)
{
	char byte;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, &byte, 1);
		if (n == 0 || (n < 0 && errno != EINTR))
			return;
	}
}

/* What most victims do when they have reached their state. */
static inline void victim_ready(void)
{
	victim_say("ready");
	victim_await_end();
}

static inline int victim_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		err(99, "%s", path);
	return fd;
}

static inline ssize_t victim_read_proc(char *text, size_t size, pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/*
 * Whether a process sleeps in this system call. Its state must be S: on its way to the lock it may
 * sleep in D, while somebody reads /proc/locks, and is in no queue yet.
 */
static inline bool victim_is_blocked(pid_t pid, long syscall_number)
{
	char text[1024];

	if (victim_read_proc(text, sizeof(text), pid, "syscall") <= 0 || text[0] < '0' ||
	    text[0] > '9' || strtol(text, NULL, 10) != syscall_number)
		return false;
	if (victim_read_proc(text, sizeof(text), pid, "stat") <= 0)
		return false;
	const char *name_end = strrchr(text, ')');
	return name_end && name_end[1] == ' ' && name_end[2] == 'S';
}

static inline void victim_await_blocked(pid_t pid, long syscall_number)
{
	while (!victim_is_blocked(pid, syscall_number))
		victim_pause();
}

/* For a child: the death of its parent may have come before the request to be told of it. */
static inline void victim_die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
}

/* A child that runs `body` and dies with its parent. */
static inline pid_t victim_fork(void (*body)(void))
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		err(99, "fork");
	if (pid)
		return pid;
	victim_die_with(parent);
	body();
	_exit(0);
}

/* --- file locks, one verb for each kind --------------------------------------------------------- */

static inline int victim_fcntl(int fd, int command, short type, off_t start, off_t length)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start,
			      .l_len = length };

	return fcntl(fd, command, &lock);
}

/* Fails the victim: for requests that must be granted. */
static inline void victim_must(int result, const char *what)
{
	if (result < 0)
		err(99, "%s", what);
}

#endif
