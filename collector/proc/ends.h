/*
 * Who has which pipe, FIFO or socket open: the links of /proc/PID/fd of all processes, read once.
 * Without looking at a file that a link leads to.
 */
#ifndef LOCKJAM_ENDS_H
#define LOCKJAM_ENDS_H

#include "collector/model/index.h"
#include "collector/proc/proc.h"

enum end_kind {
	END_PIPE,   /* "pipe:[INO]" */
	END_SOCKET, /* "socket:[INO]" */
	END_EVENTS, /* "anon_inode:[eventfd]", by the number in its fdinfo */
	END_FILE,   /* "/path", by the inode number in its fdinfo: may be a FIFO */
};

/* A descriptor that somebody has. */
struct end {
	pid_t pid;
	pid_t task; /* below whose entry of /proc it stands: pid, but for processes whose main
		     * thread has ended before the others */
	int fd;
};

struct ends;

/* Reads all processes (END_PIPE, END_SOCKET); NULL: memory is out. */
struct ends *ends_new(const struct proc *p);
void ends_free(struct ends *e);

/*
 * Who has `number` of this kind: result[0..*count), malloc'ed, in the order of processes. For the
 * first of END_EVENTS and END_FILE all descriptors of these kinds are looked into. 0 or -ENOMEM.
 */
int ends_find(struct ends *e, enum end_kind kind, uint64_t number, struct end **result,
	      uint32_t *count);

/*
 * How many processes would not show their descriptors; whether one of them is of this session
 * (setsid(2)), and so may have inherited what others of it have.
 */
uint32_t ends_hidden(const struct ends *e);
bool ends_is_hidden_in(const struct ends *e, pid_t session);

/* "pipe:[4711]", "socket:[4711]"; false: it leads to something else. */
bool ends_parse_link(const char *link, enum end_kind *kind, uint64_t *number);

/* What of /proc/PID/fdinfo/FD is needed here. */
struct end_info {
	int flags; /* of open(2) */
	int mnt_id;
	uint64_t ino;
	uint64_t events_id; /* of an eventfd; UINT64_MAX: it is none */
};
int ends_read_info(const struct proc *p, const struct end *at, struct end_info *info);

/* The device of a mount of that process, as makedev(); 0 unknown. */
uint64_t ends_device(const struct proc *p, pid_t pid, int mnt_id);

/* The session of a process, 0 unknown. */
pid_t ends_session(const struct proc *p, pid_t pid);

#endif
