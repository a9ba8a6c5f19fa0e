/*
 * Preloaded into a program that traces: kills it at its call of ptrace() or process_vm_writev()
 * whose number is $KILL_AT, counted from 1: before the call, or after it if there is $KILL_AFTER.
 */
#include "config.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long count;

static void step(void)
{
	const char *at = getenv("KILL_AT");

	if (at && ++count == atol(at) + (getenv("KILL_AFTER") != NULL))
		kill(getpid(), SIGKILL);
}

long ptrace(enum __ptrace_request request, ...)
{
	unsigned long pid, address, data, word;
	va_list arguments;

	va_start(arguments, request);
	pid = va_arg(arguments, unsigned long);
	address = va_arg(arguments, unsigned long);
	data = va_arg(arguments, unsigned long);
	va_end(arguments);
	step();
	if (request == PTRACE_PEEKDATA || request == PTRACE_PEEKTEXT ||
	    request == PTRACE_PEEKUSER) {
		long result = syscall(SYS_ptrace, request, (pid_t)pid, address, &word);
		return result ? result : (long)word;
	}
	return syscall(SYS_ptrace, request, (pid_t)pid, address, data);
}

ssize_t process_vm_writev(pid_t pid, const struct iovec *local, unsigned long local_count,
			  const struct iovec *remote, unsigned long remote_count,
			  unsigned long flags)
{
	step();
	return syscall(SYS_process_vm_writev, pid, local, local_count, remote, remote_count, flags);
}
