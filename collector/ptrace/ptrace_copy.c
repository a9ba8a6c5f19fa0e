#include "config.h"

#include "collector/ptrace/ptrace_copy.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
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

#define STOP_MAX_NS 500000000 /* that a thread gets to come to its stop: it needs a processor */
#define SPIN_NS UINT64_C(50000)

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

/*
 * 0 or -ESRCH. *signo: what must be given back to the thread when it is let go. The first wait is
 * awake, because being woken would add to the stop; the second is where trace() may be cancelled.
 */
static int await_stop(const struct tracer *t, int *signo)
{
	const int options = WSTOPPED | WEXITED | __WALL;
	uint64_t begin = now_ns();
	siginfo_t info = {0};
	int error = 0;

	while (!error && !info.si_pid && now_ns() - begin < SPIN_NS)
		error = waitid(P_PID, t->tid, &info, options | WNOHANG);
	if (!error && !info.si_pid) {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		error = waitid(P_PID, t->tid, &info, options);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	}
	if (error || (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED))
		return -ESRCH;
	/* Stops that ptrace itself makes have their number above the signal's. */
	*signo = info.si_status >> 8 ? 0 : info.si_status;
	return 0;
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
		proc_read_memory(t->proc, t->tid, stopped.regs[ARCH_PC], &code, sizeof(code));
	arch_find_interrupted(&stopped, code);
	memcpy(copy->regs, stopped.regs, sizeof(copy->regs));
	copy->interrupted = stopped.syscall;
	copy->has_ended = stopped.has_ended;
	if (stopped.syscall == SYS_fcntl || stopped.syscall == SYS_flock)
		return -EAGAIN;
	copy->from = stopped.regs[ARCH_SP] - ARCH_RED_ZONE;
	ssize_t got = proc_read_memory(t->proc, t->tid, copy->from, copy->stack, copy->room);
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

/* Whoever else wants the processor must not be served while the thread stands. Ends with this
 * thread; without the right to it the stop may be longer. */
static void hurry(void)
{
	struct sched_param priority = {.sched_priority = 1};

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority))
		setpriority(PRIO_PROCESS, gettid(), -20);
}

/* Ends without PTRACE_DETACH where the thread is not in a stop: that needs one, our end does not.
 */
static void *trace(void *arg)
{
	struct tracer *t = arg;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	hurry();
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

static void join_in_time(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += STOP_MAX_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until)) {
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
}

int ptrace_copy_thread(const struct proc *proc, pid_t pid, pid_t tid, struct ptrace_copy *copy)
{
	struct tracer tracer = {
		.proc = proc, .pid = pid, .tid = tid, .copy = copy, .error = -ETIMEDOUT};
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
	join_in_time(thread);
	return tracer.error;
}
