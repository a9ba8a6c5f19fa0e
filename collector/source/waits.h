/*
 * What the files that find out waits share: who waits for what, of any kind, without a record. The
 * form of the answer is collector/model/wait.h.
 *
 * Everything is read from /proc, from sockets' diagnosis and from the memory of the process, at
 * different moments. So nothing is kept of a thread that went on meanwhile; and whoever calls
 * something a deadlock looks twice (model_wait.request). Nobody is stopped, no file of a target is
 * opened. A process of which something cannot be seen gets its wait all the same, with the reason
 * in `unseen`.
 */
#ifndef LOCKJAM_WAITS_H
#define LOCKJAM_WAITS_H

#include "collector/proc/ends.h"
#include "collector/proc/thread_futex.h"
#include "collector/source/source.h"

struct waits {
	struct gather *g;
	MODEL_ARRAY(uint32_t) queue; /* processes to be looked at, in the order they were found */
	struct index queued;         /* pid -> queue */
	struct ends *ends;           /* NULL: nobody needed them yet */
	uint32_t recorded_waits, recorded_locks; /* those that others had found before us */
	uint32_t asked_since; /* how often it was asked since when somebody sleeps */
};

/* A thread whose wait is being found out: the last one of model.waits, and its last need. */
struct waiting {
	struct waits *all;
	struct model *m;
	uint32_t process, thread;
	pid_t pid, tid;
	struct proc_task task;
	struct proc_syscall call;
	uint32_t wait, need; /* need MODEL_NONE: none was begun */
	bool is_set;         /* it is for one of several descriptors */
	unsigned epolls;     /* in how many epoll sets, one in the other, we are */
	uint64_t asleep_ns;  /* 0: not known */
	struct futex_object
		lock; /* that it waits for, if its use is one: then locks[] has the wait */
};

/* Of the wait: its kind, and what it is for as a noun. */
void waiting_is(struct waiting *w, enum wait_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Why not all needs and ways are known; the first reason stays. */
void waiting_unseen(struct waiting *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* It ends by itself: at that moment of CLOCK_MONOTONIC, or (UINT64_MAX) some time. The earliest
 * counts. */
void waiting_until(struct waiting *w, uint64_t ns);
/* The same, `ns` after the thread began to wait. */
void waiting_for(struct waiting *w, uint64_t ns);

void waiting_need(struct waiting *w); /* begins another need */
/*
 * One more way to meet the need that was begun: the process of that number, or (tid) this thread of
 * it. Also has it looked at. False if it is gone. `how` is a static text.
 */
bool waiting_way(struct waiting *w, pid_t pid, pid_t tid, const char *how);

/* The thread's memory; whether all could be read. */
bool waiting_read(struct waiting *w, uint64_t address, void *data, size_t size);

void waits_look_at(struct waits *all, uint32_t process); /* has it looked at, too */

/* "/usr/bin/x (pid 12)"; of a process that is gone "pid 12". Owned by the model. */
const char *waits_name(struct waits *all, pid_t pid);

/* --- waits_call.c: by the system call that the thread is in ----------------------------------- */

void waiting_in_call(struct waiting *w);

/* --- waits_time.c ----------------------------------------------------------------------------- */

uint64_t waits_now_ns(void); /* CLOCK_MONOTONIC */

void waiting_sleep(struct waiting *w);
/* A limit of time, relative, that a call's argument points to; 0 none. */
void waiting_timespec(struct waiting *w, uint64_t address);
void waiting_timeval(struct waiting *w, uint64_t address);
/* The same as a moment on a clock. */
void waiting_deadline(struct waiting *w, uint64_t address, int clock);

/* --- waits_child.c ---------------------------------------------------------------------------- */

void waiting_wait4(struct waiting *w);
void waiting_waitid(struct waiting *w);
void waiting_vfork(struct waiting *w); /* the parent of a vfork sleeps until its child executes */

/* --- waits_descriptor.c: a descriptor, alone or one of a set --------------------------------- */

enum direction {
	DIRECTION_IN,
	DIRECTION_OUT,
};

/* What a descriptor turned out to be. */
struct waited {
	enum wait_kind kind;
	const char *object; /* "input of pipe:[1234]" */
};

/* Adds the ways by which the descriptor may become ready to the need that was begun. */
struct waited waiting_descriptor(struct waiting *w, int fd, enum direction direction);

/* The calls that wait for one: in their first argument. */
void waiting_input(struct waiting *w);
void waiting_output(struct waiting *w);
void waiting_open(struct waiting *w); /* open(), of a FIFO */

/* Who has what open, read when it is needed first; NULL: memory is out. */
struct ends *waits_ends(struct waits *all);
/* Those who have it, each as a way. How many. */
uint32_t waiting_ends(struct waiting *w, enum end_kind kind, uint64_t number, const char *how);
/* Of what was found by descriptors: processes that do not show theirs may have it, too. */
void waiting_hidden(struct waiting *w, uint32_t found, const char *what);

/* --- waits_pipe.c ----------------------------------------------------------------------------- */

struct waited waiting_pipe(struct waiting *w, int fd, uint64_t ino, enum direction asked);
struct waited waiting_fifo(struct waiting *w, int fd, const char *path, enum direction direction);

/* --- waits_socket.c --------------------------------------------------------------------------- */

struct waited waiting_socket(struct waiting *w, int fd, uint64_t ino, enum direction direction);

/* --- waits_futex.c ---------------------------------------------------------------------------- */

void waiting_futex(struct waiting *w);
/* The lock that was recognised, with who has it, into locks[]. */
void waiting_add_lock(struct waiting *w, const struct model_wait *wait);

/* --- waits_sysv.c ----------------------------------------------------------------------------- */

void waiting_semop(struct waiting *w);
void waiting_sysv_message(struct waiting *w);
void waiting_posix_message(struct waiting *w);

/* --- waits_set.c ------------------------------------------------------------------------------ */

void waiting_poll(struct waiting *w);
void waiting_select(struct waiting *w);
void waiting_epoll(struct waiting *w);
/* Those of an epoll descriptor, as ways of the need that was begun. */
void waiting_epoll_set(struct waiting *w, int fd);

#endif
