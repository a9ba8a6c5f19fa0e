/*
 * A table of calls whose visible results must not depend on the shim. Each program is run with
 * and without it, and the outputs are compared byte for byte: so a case shows results, errno and
 * order, but never pids, addresses or times. Each case runs in a child of its own, which inherits
 * nothing from the case before; how the child ended is part of the output.
 *
 * Output goes to a descriptor of its own (TABLE_FD): a case may close or replace stdout.
 */
#ifndef LOCKJAM_TRANSPARENCY_TABLE_H
#define LOCKJAM_TRANSPARENCY_TABLE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TABLE_FD 900 /* above what any case closes by number */

struct table_case {
	const char *name;
	void (*run)(void);
};

/* Keeps errno: what is shown next may be it. */
__attribute__((format(printf, 1, 2))) static inline void show(const char *format, ...)
{
	char line[1024];
	va_list arguments;
	int saved_errno = errno;

	va_start(arguments, format);
	int n = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (n > 0 && write(TABLE_FD, line, (size_t)n) < 0)
		_exit(98);
	errno = saved_errno;
}

/* "what = result ENAME": errno only where the call failed. */
static inline void show_result(const char *what, long result)
{
	show("%s = %ld %s\n", what, result, result == -1 ? strerrorname_np(errno) : "");
}

/* Evaluates the call with errno preset, so that a changed errno after success is seen as well. */
#define SHOW(call)                                                          \
	do {                                                                \
		errno = ENOTNAM;                                            \
		long result_ = (long)(call);                                \
		int errno_ = errno;                                         \
		show_result(#call, result_);                                \
		if (result_ != -1 && errno_ != ENOTNAM)                     \
			show("\terrno became %s\n", strerrorname_np(errno_)); \
	} while (0)

static inline int table_file(const char *name)
{
	return open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static inline void table_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* Into text, without libc's wrappers, which are what is tested. */
static inline bool table_read_proc(char *text, size_t size, pid_t pid, pid_t tid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/*
 * Waits until the thread sleeps in the system call (state S: in D it is still on its way to the
 * lock's queue). The kernel has no event for that.
 */
static inline void table_await_blocked(pid_t pid, pid_t tid, long number)
{
	char text[1024];

	for (;; table_pause()) {
		if (!table_read_proc(text, sizeof(text), pid, tid, "syscall") || text[0] < '0' ||
		    text[0] > '9' || strtol(text, NULL, 10) != number ||
		    !table_read_proc(text, sizeof(text), pid, tid, "stat"))
			continue;
		const char *name_end = strrchr(text, ')');
		if (name_end && name_end[1] == ' ' && name_end[2] == 'S')
			return;
	}
}

static inline struct flock table_lock(short type, short whence, off_t start, off_t length)
{
	return (struct flock){ .l_type = type, .l_whence = whence, .l_start = start,
			       .l_len = length };
}

/* A child that dies with its parent. */
static inline pid_t table_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static inline void table_show_status(const char *what, int status)
{
	if (WIFEXITED(status))
		show("%s: exit %d\n", what, WEXITSTATUS(status));
	else
		show("%s: signal %s\n", what, sigabbrev_np(WTERMSIG(status)));
}

static inline void table_reap(const char *what, pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	table_show_status(what, status);
}

static inline void table_run_case(const struct table_case *c)
{
	show("== %s\n", c->name);
	pid_t pid = table_fork();
	if (pid == 0) {
		struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
		struct itimerspec when = { .it_value.tv_sec = 30 };
		timer_t timer;
		if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
			timer_settime(timer, 0, &when, NULL);
		c->run();
		_exit(0);
	}
	table_reap("case", pid);
}

/* All cases, or the ones named. A case may also be called in a new image: see table_exec(). */
static inline int table_main(const struct table_case *cases, int argc, char **argv)
{
	if (fcntl(TABLE_FD, F_GETFD) < 0 && dup2(STDOUT_FILENO, TABLE_FD) < 0)
		return 98;
	for (const struct table_case *c = cases; c->name; c++) {
		bool is_wanted = argc < 2;
		for (int i = 1; i < argc; i++)
			is_wanted |= strcmp(argv[i], c->name) == 0;
		if (is_wanted)
			table_run_case(c);
	}
	return 0;
}

#endif
