/*
 * /proc/locks: the kernel's list of file locks and of who is queued behind them.
 *
 * Facts (fs/locks.c, locks_show and lock_get_status): a line is
 *	NUMBER: [blanks]-> TYPE FLAVOUR MODE PID MAJ:MIN:INO START END|EOF
 * A hold has no arrow; a waiter's arrow is indented by its depth, and it is queued behind the last
 * line above it that is one level less deep. MAJ:MIN (hexadecimal) is the superblock's device,
 * which stat does not show on btrfs and overlayfs. PID is who took it: of a flock it may have ended
 * since, OFD locks have -1. The file is read in pages, and locks come and go between them: it is no
 * snapshot.
 *
 * Leases: FLAVOUR is ACTIVE, BREAKING (its holder was told to give it up; MODE is then what it may
 * keep, READ or UNLCK) or BREAKER (who opens the file, and waits: such a line names no file).
 */
#ifndef LOCKJAM_KERNEL_LOCKS_H
#define LOCKJAM_KERNEL_LOCKS_H

#include "collector/model/model.h"
#include "collector/proc/proc.h"

struct kernel_lock {
	enum lock_kind kind;
	enum lock_mode mode;
	pid_t pid;         /* as printed; <= 0: the kernel does not say */
	uint64_t dev, ino; /* dev as makedev() */
	uint64_t start, end;
	uint32_t depth;   /* 0: a hold */
	uint32_t blocker; /* of a waiter: index of what it is queued behind; MODEL_NONE for holds */
	bool is_outdated; /* contradicted by a line further down, or its process is gone: not used
			   */
	bool is_delegation; /* a LOCK_LEASE that a file server took */
	bool is_breaking;   /* a lease that has to be given up; `mode` READ may have been WRITE */
	bool is_repeated;   /* is_outdated, but it may be another READ flock of the same process */
	bool is_deduced;    /* merge: the process was found by its descriptors or its system call */
	uint32_t lock;      /* merge: the model's lock, MODEL_NONE none yet */
	uint32_t process;   /* merge: whose it is, MODEL_NONE not known yet */
	int fd;             /* merge: its descriptor there, -1 unknown */
	bool is_confirmed;  /* owners: this descriptor of this process was seen to hold it */
	bool is_through_map;  /* owners: nobody has a descriptor, but the process maps the file */
	bool has_taker_ended; /* owners: there is no process of this pid any more */
	pid_t tid;            /* owners: of a waiter, the thread; 0 unknown */
	uint64_t ofd; /* owners: equal where lines are of one open file description; 0 unknown */
	uint32_t copy_of;    /* owners: the line whose description this process has, too; else
				MODEL_NONE */
	const char *unowned; /* owners: why nobody could be named, a static text; NULL else */
};

struct kernel_locks {
	struct kernel_lock *items;
	uint32_t count;
	uint32_t bad_lines;      /* could not be understood */
	uint32_t contradictions; /* holds marked is_outdated */
	uint32_t repetitions;    /* of these, is_repeated */
	uint64_t read_ns;        /* when, CLOCK_MONOTONIC */
};

/* Parses text (changed by it); 0 or -ENOMEM. The result is to be freed with kernel_locks_done(). */
int kernel_locks_parse(char *text, struct kernel_locks *k);

/* Reads and parses /proc/locks, again (a few times) while it contradicts itself. 0 or negative
 * errno. */
int kernel_locks_read(const struct proc *proc, struct kernel_locks *k);
void kernel_locks_done(struct kernel_locks *k);

/* One line without its number ("lock:" lines of /proc/PID/fdinfo/FD have the same form). */
bool kernel_lock_parse(char *text, struct kernel_lock *lock);

#endif
