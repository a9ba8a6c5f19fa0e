/*
 * fork, exec and exit, recorded. What a fork means for locks is handled by atfork handlers
 * (process.c), which also run for the forks inside libc (daemon, forkpty); _Fork runs none.
 */
#include <alloca.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload/inherit.h"
#include "preload/latch_environment.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/wrap.h"

static pid_t forked(pid_t child)
{
	int saved_errno;

	/* A process that has recorded nothing does not begin with this. */
	if (child > 0 && segment_get() && shim_begin(&saved_errno)) {
		segment_event(SEG_EV_FORK, 0, 0, (uint64_t)child, 0);
		shim_end(saved_errno);
	}
	return child;
}

pid_t wrap_fork(void)
{
	return forked(real()->fork());
}

SHIM_EXPORT pid_t _Fork(void)
{
	pid_t child;

	process_before_fork();
	child = real()->_Fork ? real()->_Fork() : (errno = ENOSYS, -1);
	if (child == 0)
		process_after_fork_child();
	else
		process_after_fork_parent();
	return forked(child);
}

/*
 * --- exec: no call of this family is made by another of them through our names -----------------
 *
 * A late shim follows through the environment that is passed on. Otherwise `words` is 0, and PASSED(envp) is
 * envp.
 */
#define WITH_ENVIRONMENT(envp) \
	size_t words = latch_environment_room(envp); \
	char **room = alloca((words + 1) * sizeof(*room))
#define PASSED(envp) latch_environment(envp, room, words)

static int run_path(const char *path, char *const argv[], char *const envp[])
{
	WITH_ENVIRONMENT(envp);
	process_exec_begin();
	return process_exec_failed(real()->execve(path, argv, PASSED(envp)));
}

static int run_file(const char *file, char *const argv[], char *const envp[])
{
	WITH_ENVIRONMENT(envp);
	process_exec_begin();
	return process_exec_failed(real()->execvpe(file, argv, PASSED(envp)));
}

SHIM_EXPORT int execv(const char *path, char *const argv[])
{
	if (latch_environment_is_on())
		return run_path(path, argv, environ);
	process_exec_begin();
	return process_exec_failed(real()->execv(path, argv));
}

SHIM_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	return run_path(path, argv, envp);
}

SHIM_EXPORT int execvp(const char *file, char *const argv[])
{
	if (latch_environment_is_on())
		return run_file(file, argv, environ);
	process_exec_begin();
	return process_exec_failed(real()->execvp(file, argv));
}

SHIM_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return run_file(file, argv, envp);
}

SHIM_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	WITH_ENVIRONMENT(envp);
	process_exec_begin();
	return process_exec_failed(real()->fexecve(fd, argv, PASSED(envp)));
}

SHIM_EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	WITH_ENVIRONMENT(envp);
	process_exec_begin();
	if (!real()->execveat) {
		errno = ENOSYS;
		return process_exec_failed(-1);
	}
	return process_exec_failed(real()->execveat(fd, path, argv, PASSED(envp), flags));
}

/*
 * execl and its like take any number of arguments: arch-*.S notes the exec and jumps on. A late shim has to
 * collect them, as libc's own do, on the stack.
 */
static size_t count_arguments(const char *first, va_list list)
{
	size_t count = 1;

	for (; first; first = va_arg(list, char *))
		count++;
	return count;
}

#define WITH_ARGUMENTS(first) \
	va_list list; \
	va_start(list, first); \
	char **argv = alloca(count_arguments(first, list) * sizeof(*argv)); \
	va_end(list); \
	va_start(list, first); \
	argv[0] = (char *)(first); \
	for (size_t i = 0; argv[i]; i++) \
		argv[i + 1] = va_arg(list, char *)

static int late_execl(const char *path, const char *first, ...)
{
	WITH_ARGUMENTS(first);
	va_end(list);
	return run_path(path, argv, environ);
}

static int late_execlp(const char *file, const char *first, ...)
{
	WITH_ARGUMENTS(first);
	va_end(list);
	return run_file(file, argv, environ);
}

static int late_execle(const char *path, const char *first, ...)
{
	char **envp;

	WITH_ARGUMENTS(first);
	envp = va_arg(list, char **);
	va_end(list);
	return run_path(path, argv, envp);
}

static void *late_variadic(int which)
{
	return which == PROCESS_EXECL    ? (void *)late_execl
	       : which == PROCESS_EXECLP ? (void *)late_execlp
					 : (void *)late_execle;
}

void *process_exec_variadic(int which)
{
	if (latch_environment_is_on())
		return late_variadic(which);
	process_exec_begin();
	switch (which) {
	case PROCESS_EXECL:
		return (void *)real()->execl;
	case PROCESS_EXECLP:
		return (void *)real()->execlp;
	default:
		return (void *)real()->execle;
	}
}

/* --- exit --------------------------------------------------------------------------------------- */

SHIM_EXPORT void _exit(int status)
{
	process_exited(status);
	real()->_exit(status);
	__builtin_unreachable();
}

SHIM_EXPORT void _Exit(int status)
{
	process_exited(status);
	real()->_Exit(status);
	__builtin_unreachable();
}

/* Its handlers (at_quick_exit) run after this. */
SHIM_EXPORT void quick_exit(int status)
{
	process_exited(status);
	real()->quick_exit(status);
	__builtin_unreachable();
}
