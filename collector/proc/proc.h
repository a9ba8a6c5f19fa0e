/*
 * All reading of /proc goes through one object with a root prefix, so that a recorded tree is a
 * test fixture. Entries vanish at any time: that is -ENOENT or -ESRCH, never a crash. Files of the
 * target are never opened or stat'ed by path (they may be locked, or on a dead mount).
 */
#ifndef LOCKJAM_PROC_H
#define LOCKJAM_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc;

/* root: "/" or the folder that holds a recorded "proc". NULL if memory is out. */
struct proc *proc_new(const char *root);
void proc_free(struct proc *p);
/* What helps where the kernel does not let us look at a process: for notes. */
const char *proc_access_advice(void);
bool proc_is_recorded(const struct proc *p); /* not the running system: no syscalls on its pids */

/* Whether the pids in it are those that our own system calls take: it is the running system's, and
 * of our pid namespace. */
bool proc_is_here(const struct proc *p);

/* The whole of <root>/proc/<format...>, NUL-terminated, malloc'ed; *length without the NUL.
 * Bounded at 16 MiB. 0 or negative errno. */
int proc_read(const struct proc *p, char **text, size_t *length, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same into a buffer of the caller, cut there: for files of one line. Bytes
 * or negative errno. */
ssize_t proc_read_some(const struct proc *p, char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int proc_readlink(const struct proc *p, char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A descriptor of <root>/proc/<format...>, read only, for what is no text. Negative errno. */
int proc_open_file(const struct proc *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether <root>/proc/<format...> is there. */
bool proc_has(const struct proc *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether a process of this pid exists though <root>/proc does not show it (hidepid). */
bool proc_is_hidden(const struct proc *p, pid_t pid);

/* Numeric names in <root>/proc/<path>, ascending ("" for the processes, "%d/task", "%d/fd").
 * *ids is malloc'ed. The count, or negative errno. */
ssize_t proc_list(const struct proc *p, int **ids, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The threads of a process; of most it costs one call to know that there is only one. */
ssize_t proc_list_tasks(const struct proc *p, int **tids, pid_t pid);

struct proc_stat {
	pid_t pid, ppid;
	char comm[64];
	char state;
	uint64_t start_time;
	int threads;
};
int proc_read_stat(const struct proc *p, pid_t pid, struct proc_stat *st);
int proc_read_task_stat(const struct proc *p, pid_t pid, pid_t tid, struct proc_stat *st);

/* The effective user of a process (/proc/PID/status). */
int proc_read_uid(const struct proc *p, pid_t pid, uid_t *uid);

struct proc_syscall {
	bool is_running;  /* "running": nothing else is filled */
	long number;      /* -1: blocked outside a system call */
	uint64_t args[6]; /* only if number >= 0 */
	uint64_t sp, pc;
};
int proc_read_syscall(const struct proc *p, pid_t pid, pid_t tid, struct proc_syscall *sc);

/* --- proc_task.c ------------------------------------------------------------------------------ */

/* A thread of the process that has not ended: pid itself, or another one when the main thread has
 * ended before the others. 0: the process has ended. */
pid_t proc_live_task(const struct proc *p, pid_t pid);

/*
 * How long a thread has been asleep (a process that has ended: since it last ran), by the
 * scheduler's clock of the processor on which it went to sleep. False where the kernel does not
 * tell (/proc/PID/sched), or we may not run there. Moves the calling thread there and back.
 */
bool proc_asleep_ns(const struct proc *p, pid_t pid, pid_t tid, uint64_t *ns);

/* Whether we are in another pid namespace than the initial one: locks of processes outside of it
 * are not in its /proc/locks. */
bool proc_is_in_pid_namespace(const struct proc *p);

/*
 * Whether two descriptors, of the processes or threads a and b, are the same open file description
 * (kcmp, KCMP_FILE): 0 they are; 1 and 2 give an order among those that are not; 3 they are not,
 * without an order; or negative errno.
 */
int proc_compare_files(const struct proc *p, pid_t a, int a_fd, pid_t b, int b_fd);

/* The target's memory, without stopping it (process_vm_readv). Bytes read or negative errno. */
ssize_t proc_read_memory(const struct proc *p, pid_t pid, uint64_t address, void *data,
			 size_t size);

/* What of /proc/PID/task/TID/status tells of a thread that waits. */
struct proc_task {
	char state;
	uint64_t switches; /* how often it went to sleep, or lost its processor */
	pid_t tracer;      /* the thread that traces it, 0 nobody */
	unsigned depth;    /* of its pid namespace, 1: ours */
	pid_t inside;      /* its number there */
};
int proc_read_task(const struct proc *p, pid_t pid, pid_t tid, struct proc_task *task);

/* The number that the process has in the pid namespace that is so deep below ours; 0 none. */
pid_t proc_number_at(const struct proc *p, pid_t pid, unsigned depth);

#endif
