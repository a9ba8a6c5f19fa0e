/*
 * The ptrace of injection: one thread, which is stopped, changed, and goes on. It is seized, so it
 * stops only when it is told to; what it was is put back only in a stop in which the kernel has yet
 * to decide about its interrupted system call and its pending signals: that decides as if nothing
 * had been.
 */
#ifndef LOCKJAM_INJECT_TRACE_H
#define LOCKJAM_INJECT_TRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#define TRACE_XSTATE_MAX (16 * 1024) /* with AMX it is 11 KiB */

/* All that a call changes. */
struct trace_state {
	struct user_regs_struct regs;
	char xstate[TRACE_XSTATE_MAX]; /* in the form of XSAVE */
	size_t xstate_size;
	uint64_t mask; /* of signals; in sigsuspend() and its kin that of before */
};

enum trace_stop {
	TRACE_RUNS,   /* the time is over, and it has not stopped */
	TRACE_PAUSE,  /* as it was told to, or by a stop of its process (SIGSTOP) */
	TRACE_SIGNAL, /* a signal is about to be delivered */
	TRACE_EXEC,   /* the process has become another program */
	TRACE_GONE,
};

struct trace {
	pid_t tid;
	enum trace_stop stop;
	int signo; /* in TRACE_SIGNAL: what it is about to get */
};

uint64_t trace_clock_ns(void);

/* 0, or a negative errno: -EPERM, -ESRCH. It is not stopped by this. */
int trace_seize(struct trace *t, pid_t tid);
/* Makes it stop soon; trace_wait() tells when. */
int trace_interrupt(struct trace *t);
/* Waits for the next stop, at most until deadline_ns. */
enum trace_stop trace_wait(struct trace *t, uint64_t deadline_ns);
/* Lets it run, with a signal (0: none). */
int trace_resume(struct trace *t, int signo);
/* Ends tracing; of a thread that is not in a stop the kernel ends it with ours. */
void trace_detach(struct trace *t, int signo);

int trace_get(struct trace *t, struct trace_state *state);
/* Puts all of it back: in an order that lets the thread help itself if it is let go in between. */
int trace_set(struct trace *t, const struct trace_state *state);
int trace_get_registers(struct trace *t, struct user_regs_struct *regs);
int trace_set_registers(struct trace *t, const struct user_regs_struct *regs);
int trace_set_mask(struct trace *t, uint64_t mask);
/* Whether it is inside a restartable sequence (rseq), which a detour would break. */
bool trace_is_in_sequence(struct trace *t, uint64_t pc);
/* The signal is one of the kernel's own for what the thread did, not sent by anyone. */
bool trace_is_fault(struct trace *t);

/* Memory of the thread's process. Code also where it may not be written by itself. */
int trace_write_code(struct trace *t, uint64_t address, const void *data, size_t size);
int trace_write(struct trace *t, uint64_t address, const void *data, size_t size);
int trace_read(struct trace *t, uint64_t address, void *data, size_t size);

#endif
