#include "config.h"

#include "collector/inject/inject_trace.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#define SPIN_NS UINT64_C(200000) /* most stops come at once */
#define NAP_NS 100000
#define MASK_SIZE 8 /* bytes of the kernel's sigset_t */

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* linux/ptrace.h has these, and does not go together with sys/ptrace.h. */
struct rseq_configuration {
	uint64_t address;
	uint32_t size, signature, flags, pad;
};

/* linux/rseq.h: struct rseq has the address of the current sequence at its offset 8. */
#define RSEQ_CURRENT 8

uint64_t trace_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

int trace_seize(struct trace *t, pid_t tid)
{
	*t = (struct trace){.tid = tid, .stop = TRACE_RUNS};
	return ptrace(PTRACE_SEIZE, tid, NULL, (void *)(long)PTRACE_O_TRACEEXEC) < 0 ? -errno : 0;
}

int trace_interrupt(struct trace *t)
{
	return ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL) < 0 ? -errno : 0;
}

static enum trace_stop classify(struct trace *t, const siginfo_t *info)
{
	int event = info->si_status >> 8, signo = info->si_status & 0xff;

	t->signo = 0;
	if (info->si_code != CLD_TRAPPED && info->si_code != CLD_STOPPED)
		return TRACE_GONE;
	if (event == PTRACE_EVENT_EXEC)
		return TRACE_EXEC;
	if (event)
		return TRACE_PAUSE;
	t->signo = signo;
	return TRACE_SIGNAL;
}

enum trace_stop trace_wait(struct trace *t, uint64_t deadline_ns)
{
	uint64_t begin = trace_clock_ns(), now = begin;

	for (;;) {
		siginfo_t info = {0};

		if (waitid(P_PID, t->tid, &info, WSTOPPED | WEXITED | WNOHANG | __WALL) < 0 &&
		    errno != EINTR)
			return t->stop = TRACE_GONE;
		if (info.si_pid)
			return t->stop = classify(t, &info);
		if (now > deadline_ns)
			return t->stop = TRACE_RUNS;
		now = trace_clock_ns();
		if (now - begin > SPIN_NS)
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
}

int trace_resume(struct trace *t, int signo)
{
	t->stop = TRACE_RUNS;
	return ptrace(PTRACE_CONT, t->tid, NULL, (void *)(long)signo) < 0 ? -errno : 0;
}

void trace_detach(struct trace *t, int signo)
{
	ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(long)signo);
	t->stop = TRACE_GONE;
}

int trace_get_registers(struct trace *t, struct user_regs_struct *regs)
{
	struct iovec area = {regs, sizeof(*regs)};

	if (ptrace(PTRACE_GETREGSET, t->tid, NT_PRSTATUS, &area) < 0)
		return -errno;
	return area.iov_len == sizeof(*regs) ? 0 : -ENOEXEC; /* a thread of 32 bit */
}

int trace_set_registers(struct trace *t, const struct user_regs_struct *regs)
{
	struct iovec area = {(void *)regs, sizeof(*regs)};

	return ptrace(PTRACE_SETREGSET, t->tid, NT_PRSTATUS, &area) < 0 ? -errno : 0;
}

int trace_set_mask(struct trace *t, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, t->tid, MASK_SIZE, &mask) < 0 ? -errno : 0;
}

int trace_get(struct trace *t, struct trace_state *state)
{
	struct iovec area = {state->xstate, sizeof(state->xstate)};
	int error = trace_get_registers(t, &state->regs);

	if (error)
		return error;
	if (ptrace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, &area) < 0 ||
	    ptrace(PTRACE_GETSIGMASK, t->tid, MASK_SIZE, &state->mask) < 0)
		return -errno;
	if (area.iov_len >= sizeof(state->xstate))
		return -ENOTSUP;
	state->xstate_size = area.iov_len;
	return 0;
}

int trace_set(struct trace *t, const struct trace_state *state)
{
	struct iovec area = {(void *)state->xstate, state->xstate_size};

	if (ptrace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, &area) < 0)
		return -errno;
	int error = trace_set_mask(t, state->mask);

	return error ? error : trace_set_registers(t, &state->regs);
}

bool trace_is_in_sequence(struct trace *t, uint64_t pc)
{
	struct rseq_configuration rseq;
	uint64_t current = 0, sequence[2] = {0}; /* version and flags, start_ip; then its length */
	uint64_t length = 0;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(rseq), &rseq) < 0 ||
	    !rseq.address || trace_read(t, rseq.address + RSEQ_CURRENT, &current, sizeof(current)))
		return false;
	if (!current)
		return false;
	if (trace_read(t, current, sequence, sizeof(sequence)) ||
	    trace_read(t, current + sizeof(sequence), &length, sizeof(length)))
		return true;
	return pc >= sequence[1] && pc - sequence[1] < length;
}

bool trace_is_fault(struct trace *t)
{
	siginfo_t info;

	return !ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) && info.si_code > 0;
}

int trace_write_code(struct trace *t, uint64_t address, const void *data, size_t size)
{
	for (size_t done = 0; done < size; done += sizeof(long)) {
		size_t part = size - done < sizeof(long) ? size - done : sizeof(long);
		long word = 0;

		memcpy(&word, (const char *)data + done, part);
		if (ptrace(PTRACE_POKEDATA, t->tid, (void *)(address + done), (void *)word) < 0)
			return -errno;
	}
	return 0;
}

int trace_write(struct trace *t, uint64_t address, const void *data, size_t size)
{
	struct iovec local = {(void *)data, size}, remote = {(void *)(uintptr_t)address, size};
	ssize_t done = process_vm_writev(t->tid, &local, 1, &remote, 1, 0);

	return done < 0 ? -errno : done == (ssize_t)size ? 0 : -EFAULT;
}

int trace_read(struct trace *t, uint64_t address, void *data, size_t size)
{
	struct iovec local = {data, size}, remote = {(void *)(uintptr_t)address, size};
	ssize_t done = process_vm_readv(t->tid, &local, 1, &remote, 1, 0);

	return done < 0 ? -errno : done == (ssize_t)size ? 0 : -EFAULT;
}
