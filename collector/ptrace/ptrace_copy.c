#include "config.h"

#include "collector/ptrace/ptrace_copy.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_MAX_NS UINT64_C(100000000) /* that a thread gets to come to its stop */
#define SPIN_NS UINT64_C(300000)        /* sleeping would add our own wake-up to its stop */
#define NAP_NS 200000

struct tracer {
	const struct proc *proc;
	pid_t pid, tid;
	struct ptrace_copy *copy;
	int error;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

static bool is_running(const struct tracer *t)
{
	struct proc_syscall now;

	return !proc_read_syscall(t->proc, t->pid, t->tid, &now) && now.is_running;
}

/* 0, or -ESRCH (it ended), -ETIMEDOUT. *signo: what must be given back to it when it is let go. */
static int await_stop(const struct tracer *t, int *signo)
{
	uint64_t begin = now_ns(), waited = 0;

	while (waited < STOP_MAX_NS) {
		siginfo_t info = {0};

		if (waitid(P_PID, t->tid, &info, WSTOPPED | WEXITED | WNOHANG | __WALL) < 0)
			return -ESRCH;
		if (info.si_pid && info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
			return -ESRCH;
		if (info.si_pid) {
			/* Stops of ptrace itself have their number above the signal's. */
			*signo = info.si_status >> 8 ? 0 : info.si_status;
			return 0;
		}
		waited = now_ns() - begin;
		if (waited > SPIN_NS)
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	return -ETIMEDOUT;
}

/* -EAGAIN: it has just asked for a file lock. The stop goes on. */
static int copy_stopped(const struct tracer *t)
{
	struct ptrace_copy *copy = t->copy;
	struct arch_stopped stopped;
	char note[ARCH_REGSET_MAX];
	uint32_t code = 0;
	struct iovec space = {note, sizeof(note)};

	if (ptrace(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, &space) < 0)
		return -errno;
	if (!arch_read_regset(note, space.iov_len, &stopped))
		return -ENOEXEC;
	if (ARCH_RESTART_NEEDS_CODE)
		proc_read_memory(t->proc, t->pid, stopped.regs[ARCH_PC], &code, sizeof(code));
	arch_find_interrupted(&stopped, code);
	memcpy(copy->regs, stopped.regs, sizeof(copy->regs));
	copy->interrupted = stopped.syscall;
	copy->has_ended = stopped.has_ended;
	if (stopped.syscall == SYS_fcntl || stopped.syscall == SYS_flock)
		return -EAGAIN;
	copy->from = stopped.regs[ARCH_SP] - ARCH_RED_ZONE;
	ssize_t got = proc_read_memory(t->proc, t->pid, copy->from, copy->stack, copy->room);
	copy->length = got > 0 ? got : 0;
	return got > 0 ? 0 : -EFAULT;
}

static int stop_and_copy(const struct tracer *t)
{
	uint64_t begin = now_ns();
	int signo = 0, error;

	if (ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) < 0)
		return -errno;
	error = await_stop(t, &signo);
	if (error)
		return error;
	error = copy_stopped(t);
	ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(long)signo);
	t->copy->stood_ns = now_ns() - begin;
	return error;
}

/* Ends without PTRACE_DETACH where the thread is not in a stop: that needs one, our end does not. */
static void *trace(void *arg)
{
	struct tracer *t = arg;

	/* Whoever waits for the processor must not be served while it stands. */
	setpriority(PRIO_PROCESS, gettid(), -20);
	if (!is_running(t))
		t->error = -EAGAIN;
	else if (ptrace(PTRACE_SEIZE, t->tid, NULL, NULL) < 0)
		t->error = -errno;
	else if (!is_running(t))
		t->error = -EAGAIN;
	else
		t->error = stop_and_copy(t);
	return NULL;
}

int ptrace_copy_thread(const struct proc *proc, pid_t pid, pid_t tid, struct ptrace_copy *copy)
{
	struct tracer tracer = {.proc = proc, .pid = pid, .tid = tid, .copy = copy};
	sigset_t all, before;
	pthread_t thread;

	copy->length = 0;
	copy->interrupted = -1;
	copy->has_ended = false;
	copy->stood_ns = 0;
	if (proc_is_recorded(proc))
		return -ENOTSUP;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, NULL, trace, &tracer);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	pthread_join(thread, NULL);
	return tracer.error;
}
