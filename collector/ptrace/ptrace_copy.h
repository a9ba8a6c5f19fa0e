/*
 * The only ptrace of looking: a thread that runs is stopped for as long as it takes to copy its
 * registers and its stack, some tens of microseconds.
 *
 * A thread that waits is never stopped: it would lose its place in the queue. The thread is seized,
 * which disturbs nothing, looked at once more, and interrupted only if it still runs. What is left
 * is the moment between that look and the interrupt, a microsecond: a thread that blocks just then
 * asks again, as it does after SIGSTOP and SIGCONT.
 *
 * Nobody stays stopped. The tracer is a thread of its own: with its end, however it ends, the
 * kernel lets go of what it traces (no PTRACE_O_EXITKILL), and a process that had been stopped by
 * SIGSTOP goes on being stopped.
 */
#ifndef LOCKJAM_PTRACE_COPY_H
#define LOCKJAM_PTRACE_COPY_H

#include "collector/arch/arch.h"
#include "collector/proc/proc.h"

struct ptrace_copy {
	/* Given: where the stack goes, written to before (a page fault would be time). */
	char *stack;
	size_t room;

	uint64_t regs[ARCH_REGS];
	uint64_t from;     /* the address of stack[0]: a little below the stack pointer */
	size_t length;     /* as much as is mapped, at most `room` */
	long interrupted;  /* the system call that the stop interrupted, -1 none */
	bool has_ended;    /* ... and that ends with EINTR now, else it is asked again */
	uint64_t stood_ns; /* from the interrupt until it was let go, as seen from here; 0: it never
			      was */
};

/*
 * 0, or a negative errno, what kept it from being copied. -EAGAIN: it does not run (any more), and
 * was not stopped; or (interrupted >= 0) it had just asked for a file lock, and was let go at once,
 * to be looked at without stopping it. -EPERM: it may not be traced, or somebody else does. -ESRCH:
 * it is gone. -ETIMEDOUT: it did not come to a stop in half a second, and was let go. -ENOEXEC: its
 * registers are those of another architecture (32 bit). -ENOTSUP: /proc is a recorded tree.
 * Afterwards nothing traces the thread.
 */
int ptrace_copy_thread(const struct proc *proc, pid_t pid, pid_t tid, struct ptrace_copy *copy);

#endif
