/*
 * What a thread that makes no progress waits for, of any kind, and who could end the wait: part of
 * the model (model.h).
 *
 * A wait is a conjunction of needs, a need a choice of ways:
 *
 *	it ends     when ALL of its needs are met
 *	a need      is met when ONE of its ways is taken
 *	a way       is a thread that can do it, or a process, any thread of which can
 *
 * A lock that two readers hold is two needs of one way each. A pipe whose other end three processes
 * hold is one need with three ways; so is a semaphore, and a set of descriptors in poll(). A thread
 * is stuck when, of one need, all ways are known and every one is stuck itself.
 *
 * Two waits may have the same needs, two needs the same ways: such ranges are equal, or apart.
 */
#ifndef LOCKJAM_WAIT_H
#define LOCKJAM_WAIT_H

#include <stdbool.h>
#include <stdint.h>

enum wait_kind {
	WAIT_LOCK,      /* model_wait.lock: a request in the kernel's queue, or for a thread lock */
	WAIT_CONDITION, /* pthread_cond_wait */
	WAIT_SEMAPHORE, /* POSIX or System V */
	WAIT_BARRIER,
	WAIT_JOIN,      /* the end of a thread */
	WAIT_CHILD,     /* the end of a process: wait4(), waitid() */
	WAIT_PIPE,      /* to read from or write to a pipe or FIFO, or to open a FIFO */
	WAIT_SOCKET,    /* of the unix domain, or whose peer is a process of this machine */
	WAIT_REMOTE,    /* a socket whose peer is another machine */
	WAIT_ACCEPT,    /* for whoever connects: nobody in particular */
	WAIT_MESSAGE,   /* a System V or POSIX message queue */
	WAIT_TERMINAL,  /* input of a terminal */
	WAIT_EVENTS,    /* one of several descriptors: poll, select, epoll_wait */
	WAIT_SIGNAL,    /* pause, sigsuspend, sigwait */
	WAIT_SLEEP,     /* a time that will come */
	WAIT_STOPPED,   /* by a signal; SIGCONT lets it go on */
	WAIT_TRACED,    /* by a debugger */
	WAIT_DISK,      /* state D: a device or file server */
	WAIT_FUTEX,     /* a word of memory whose meaning is not known */
	WAIT_UNKNOWN,   /* blocked in a call that we know nothing about */
	WAIT_KINDS
};

const char *wait_kind_name(enum wait_kind kind); /* "lock", "condition", ... */

/* One for each thread that was found waiting. */
struct model_wait {
	enum wait_kind kind;
	uint32_t process, thread; /* thread MODEL_NONE: of a record that does not say */
	uint32_t lock;            /* WAIT_LOCK: the request; else MODEL_NONE */
	const char *object;       /* what it waits for, as a noun: "the child 4711 (sh)", "input of the pipe
				   * pipe:[1234]", "10.0.0.7:143 (TCP)"; never NULL */
	const char *unseen;       /* why not all needs and ways are known, one clause; NULL: they are.
				   * Such a wait is never part of a proof */
	uint64_t address;         /* of an object in its process's memory; 0 none */
	uint64_t since_ns;        /* 0 unknown */
	uint64_t until_ns;        /* it ends by itself then; 0: it does not. UINT64_MAX: by a time limit
				   * that is not known. Never part of a deadlock */
	uint64_t idle_ns;         /* WAIT_SOCKET, WAIT_REMOTE: nothing came for so long; 0 unknown */
	uint64_t request;         /* tells one wait of the thread from the next (switches, sequence);
				   * equal at two looks: it is the same wait. 0 unknown */
	uint32_t first_need, need_count; /* into needs[] */
	/* Filled by the analysis: */
	uint32_t deadlock; /* it can never end because of this DEADLOCK_CYCLE (its number); 0 none */
	bool is_in_cycle;  /* it is part of it, not only behind it */
	uint32_t stuck_need; /* deadlock: which of its needs cannot be met */
	uint32_t stuck_by;   /* deadlock: the wait of who would have to meet it */
};

struct model_need {
	uint32_t hold; /* WAIT_LOCK: the lock that has to be given up; else MODEL_NONE */
	uint32_t first_way, way_count; /* into ways[]; 0 ways: nobody that we know can do it */
	const char *unseen; /* why not all of its ways are known, or not for sure, one clause; NULL:
			     * they are. Such a need is never part of a proof, others of the wait may
			     * be */
};

struct model_way {
	uint32_t process; /* never MODEL_NONE */
	uint32_t thread;  /* MODEL_NONE: any thread of the process */
	const char *how;  /* "holds the write end", "has its other end"; NULL: holds the lock */
};

#endif
