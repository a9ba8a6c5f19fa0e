/*
 * The segment: what one process writes about its locks, handlers and findings, in one file.
 *
 * This header is the contract between the shim, which writes, and the collector, which reads. It
 * is the only header of preload/ that anything else may include. It must never hold a pointer, a
 * type whose size depends on the machine, or a function of the shim.
 *
 * Who writes: threads of the one process that created the file; nobody else while it lives. (`lockjam
 * attach` writes records about processes that do not do so themselves: header.sample_interval_ns.
 * `lockjam run` adds how its command ended: SEG_KILLED.) Who reads: anyone
 * with the permission, at any time, also while records are written and after the writer was
 * killed at any instruction. A reader trusts nothing: it bounds every index, length and offset by
 * the size of the file.
 *
 * File: <pid>-<start_time>-<image>.seg in the session's directory. An image is one program run by
 * the process: execve() ends an image and begins the next (image + 1), which takes over the locks
 * that survived. fork() begins a process with image 0. A file without a name is a memfd named
 * SEG_MEMFD_NAME (the writer could reach no session directory).
 *
 * Torn records: each record begins with a seq. The writer makes it odd, writes the fields, makes
 * it even again (release order). A reader copies the record between two reads of seq; if they
 * differ or are odd the copy is torn: retry while the writer lives, else skip it and count it.
 * Counters (marked "atomic add") may be bumped without touching seq. A record whose seq is 0 was
 * reserved but never written (its writer died at that instant): it is to be skipped.
 *
 * Versions: a reader accepts a segment when min_reader <= SEG_VERSION. New tables and new fields
 * at a record's end raise version only (readers use the record_size of the file); a changed
 * meaning raises min_reader.
 *
 * Times are CLOCK_MONOTONIC nanoseconds; the header pairs one of them with CLOCK_REALTIME.
 * Indices into other tables are 1-based, 0 means none. Offsets of strings are into SEG_STRINGS,
 * NUL-terminated, 0 means none.
 */
#ifndef LOCKJAM_SEGMENT_H
#define LOCKJAM_SEGMENT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define SEG_MAGIC UINT64_C(0x004d414a4b434f4c) /* "LOCKJAM\0", little endian */
/*
 * 2: sampled records; 3: attached, SEG_DETACHED, SEG_LOCK_BEFORE; 4: seg_handler.ways, SEG_FIND_JUMP, calls
 * that a signal ended, SEG_EDGES, SEG_HOLDINGS, SEG_LISTS, SEG_LOST, SEG_USES,
 * the kind of SEG_EV_ACQUIRED
 */
#define SEG_VERSION 4
#define SEG_MIN_READER 1
#define SEG_MIN_READER_SAMPLED 2 /* of records made from outside: their times mean "first seen" */
#define SEG_MEMFD_NAME "lockjam-segment"
#define SEG_SUFFIX ".seg"
#define SEG_TO_EOF UINT64_MAX /* seg_lock.end of a range without an end */

/* The variables that the shim reads; the command sets them. One list for both. */
/*
 * What the recorder answers when it was loaded into a running program (lockjam attach --inject):
 * lockjam_attach(dir) and lockjam_detach() return a count, or one of these as a negative errno.
 * Then nothing is changed in the program. The texts are for the user.
 */
#define SEG_ATTACH "lockjam_attach"
#define SEG_DETACH "lockjam_detach"
#define SEG_REFUSALS(REFUSAL) \
	REFUSAL(EALREADY, "is being recorded already") \
	REFUSAL(ENOENT, "is not being recorded") \
	REFUSAL(EBUSY, "a library is being loaded, or code of the recorder is running: try again") \
	REFUSAL(ENOTSUP, "its libc cannot be used for this (glibc 2.35 or later is needed)") \
	REFUSAL(ENOMEM, "memory could not be had or protected") \
	REFUSAL(EMFILE, "has no free descriptor") \
	REFUSAL(EFBIG, "its limit of file sizes is too small") \
	REFUSAL(ENXIO, "has no /proc: its mappings are unknown") \
	REFUSAL(ENOSPC, "the session's file system is full") \
	REFUSAL(EINVAL, "the session's directory is no absolute path, or too long") \
	REFUSAL(E2BIG, "has more calls to redirect than there is room for")

#define SEG_ENV_DIR "LOCKJAM_DIR"         /* the session's directory */
#define SEG_ENV_PROTECT "LOCKJAM_PROTECT" /* "1": the emergency arena for handlers */
#define SEG_ENV_UNSAFE "LOCKJAM_UNSAFE"   /* functions that are unsafe in handlers: NAME,... */
#define SEG_ENV_TRACK "LOCKJAM_TRACK"     /* of locks of threads: one of SEG_TRACK_*; else full */
#define SEG_TRACK_OFF "off"               /* nothing */
#define SEG_TRACK_COUNT "count"           /* how many were taken, and how many were busy */
#define SEG_TRACK_FULL "full"             /* who holds and who waits */

enum seg_table_id {
	SEG_THREADS,
	SEG_RESOURCES,
	SEG_LOCKS,
	SEG_HANDLERS,
	SEG_FINDINGS,
	SEG_STACKS,
	SEG_PCS,     /* uint64_t each, no seq: written before the stack that names them */
	SEG_MODULES,
	SEG_EVENTS,  /* a ring: header.events_written says where it stands */
	SEG_STRINGS, /* bytes; the first is NUL */
	SEG_SLICES,  /* bytes of copied stacks */
	SEG_EDGES,   /* version 4; capacity 0 before */
	SEG_INTERRUPTIONS,
	SEG_HOLDINGS, /* version 4 */
	SEG_LISTS,    /* version 4: struct seg_holds, and between them struct seg_syncs */
	SEG_LOST,     /* version 4 */
	SEG_USES,    /* version 4 */
	SEG_TABLE_IDS,
	SEG_TABLES_1 = 16, /* of these the header has room in `tables`, of the others in `more_tables` */
	SEG_TABLES_MAX = 24
};

static_assert(SEG_TABLE_IDS <= SEG_TABLES_MAX, "the header has no room for more");

/* One entry of the directory of tables. Written once at creation but for used and dropped. */
struct seg_table {
	uint64_t offset;      /* from the start of the file */
	uint32_t record_size; /* bytes; of the writer's version */
	uint32_t capacity;    /* records */
	uint32_t used;        /* high-water mark: records ever used, stored after the record */
	uint32_t dropped;     /* atomic add: records that found no room (table or tmpfs full) */
};
static_assert(sizeof(struct seg_table) == 24, "ABI");

enum seg_state {
	SEG_RUNNING = 0, /* also what a killed process leaves behind */
	SEG_EXECED,      /* the next image goes on; put back when execve() fails */
	SEG_EXITED,      /* exit_status is set: exit, _exit, return from main */
	SEG_DETACHED,    /* the recorder was taken off; the program goes on unrecorded */
	SEG_KILLED,      /* version 4: exit_status is the signal that ended it; written by `lockjam run`
			  * into the record of its command, when it had waited for that */
};

/* What the recorder could not do; bits of seg_header.limits. Each is a note in the report. */
enum seg_limit {
	SEG_LIMIT_NO_UNWINDER = 1 << 0, /* libc has no _dl_find_object (2.35): no stacks */
	SEG_LIMIT_NO_DIR = 1 << 2,      /* no session directory within reach: memfd */
	SEG_LIMIT_CARRY = 1 << 3,       /* the former image's record could not be read */
	SEG_LIMIT_NO_PROC = 1 << 4,     /* /proc is not there: paths and start time unknown */
	SEG_LIMIT_TMPFS_FULL = 1 << 5,  /* a page could not be had: records were dropped */
	SEG_LIMIT_BUSY = 1 << 6,        /* a record was given up rather than waited for */
	SEG_LIMIT_SEALED = 1 << 7,      /* entered seccomp: nothing was recorded since */
	SEG_LIMIT_PARTIAL = 1 << 8,     /* attached: some calls or handlers could not be redirected */
};

struct seg_header {
	uint64_t magic;      /* stored last at creation (release): a file without it is not ready */
	uint32_t version;
	uint32_t min_reader;
	uint32_t header_size; /* sizeof(struct seg_header) of the writer */
	uint32_t table_count; /* of `tables` */
	uint64_t file_size;
	uint32_t machine; /* ELF e_machine of the process */
	uint32_t page_size;

	int32_t pid; /* in its own pid namespace */
	int32_t ppid;
	uint64_t start_time; /* /proc/PID/stat field 22, clock ticks; 0 unknown */
	uint32_t image;
	uint32_t uid; /* real uid at creation */
	uint64_t created_mono_ns;
	uint64_t created_real_ns;

	uint32_t state;       /* enum seg_state */
	int32_t exit_status;  /* as given to exit(); only in SEG_EXITED */
	uint64_t ended_ns;    /* when state left SEG_RUNNING */
	uint32_t limits;      /* atomic or: enum seg_limit */
	uint32_t wait_counter; /* atomic add: numbers the requests, seg_lock.request */
	uint64_t events_written; /* atomic add: events ever; the ring holds the last of them */
	uint64_t deliveries;     /* atomic add: signals handled */

	/* Losses, atomic add each. */
	uint32_t lost_busy;     /* updates given up because the table was busy */
	uint32_t lost_range;    /* POSIX range updates that found no record to split into */
	uint32_t lost_findings; /* findings beyond the table, counted here only */
	uint32_t attached; /* 1: begun in a running program. What was before created_*_ns is unknown */

	struct seg_table tables[SEG_TABLES_1];

	char exe[512];     /* readlink /proc/self/exe, NUL-terminated, cut if longer */
	char title[64];    /* what the process is best called: $CYRUS_SERVICE, else empty */
	char cmdline[1024]; /* /proc/self/cmdline: arguments separated by NUL, ends with two */

	/*
	 * Version 2. A record made from outside, by looking at the process now and then: pid, uid and
	 * cmdline are as the onlooker sees them, "since" of a lock is the look that saw it first, and
	 * what began and ended between two looks is not in it. All zero in the process's own record.
	 */
	uint64_t sample_interval_ns; /* intended time between two looks; 0: recorded by the process */
	uint64_t sample_last_ns; /* a look at or after which nothing else was seen; the true last
				  * one is at most SEG_SAMPLE_BEAT_NS later, unless the writer ended */
	uint64_t sample_gap_ns;  /* the longest time between two looks */
	uint32_t sample_late;    /* looks that came later than intended */
	uint32_t sample_unseen;  /* looks at which this process waited, and its threads could not be read */
	uint32_t sample_unowned; /* the most locks in one look that nobody could be found for */
	uint32_t sample_refused; /* processes for which no segment could be made */

	/* The emergency arena (SEG_ENV_PROTECT), atomic add: requests served and refused. */
	uint64_t protect_served, protect_refused;

	/*
	 * Version 4. Of a record made from outside: the longest time for which the same signals (a mask, bit
	 * n-1 for signal n) were pending at each look at them, about every SEG_SAMPLE_BEAT_NS, and blocked by
	 * whoever could take them. 0 looks: there is none, or nobody looked.
	 */
	uint64_t held_back, held_back_since_ns, held_back_last_ns;
	uint32_t held_back_looks;
	uint32_t held_back_run; /* 1: a thread was running, or ran between two looks */

	/* Version 4: those from SEG_TABLES_1 on. Zero where there is none. */
	struct seg_table more_tables[SEG_TABLES_MAX - SEG_TABLES_1];

	/*
	 * Version 4. How signals stood when the program began, that is: what execve() kept. Bit n-1 for
	 * signal n; a forked child has its parent's. caught_before: by the image before this one, whose
	 * handlers execve() took away.
	 */
	uint64_t blocked_at_start, ignored_at_start, caught_before;
	uint32_t knows_start; /* 1: the first two are known */
	uint32_t listens;     /* atomic add: calls of listen() that succeeded */
};
/* The directory's entry of a table, in whichever part it is. */
#define SEG_TABLE(header, id)                                                                      \
	(*((uint32_t)(id) < SEG_TABLES_1 ? &(header)->tables[(id)]                                 \
					 : &(header)->more_tables[(id) - SEG_TABLES_1]))
#define SEG_HEADER_SIZE_1 2120 /* of version 1 */
#define SEG_SAMPLE_BEAT_NS UINT64_C(1000000000)
static_assert(offsetof(struct seg_header, sample_interval_ns) == SEG_HEADER_SIZE_1, "ABI");
static_assert(offsetof(struct seg_header, pid) == 40, "ABI");
static_assert(offsetof(struct seg_header, tables) == 136, "ABI");
static_assert(offsetof(struct seg_header, exe) == 520, "ABI");
static_assert(offsetof(struct seg_header, more_tables) == 2208, "ABI");
static_assert(sizeof(struct seg_header) == 2432, "ABI");

/* A thread, from its first recorded event on. A thread that ended is known by the kernel's word; in
 * sampled records all threads of a process that was looked into, those that ended with tid 0. */
struct seg_thread {
	uint32_t seq;
	int32_t tid;
	uint64_t first_ns;
	uint32_t handler_depth;  /* active handlers */
	int32_t handler_signo;   /* of the innermost, 0 none */
	uint32_t finding;        /* index of the finding whose call has been entered and has not
				  * returned (allocator family and pthread_mutex_lock only), 0 none */
	uint32_t wait;           /* index of the lock record that this thread is blocked in, 0 none */
	uint64_t call_since_ns;  /* of finding */
	/* Version 2, sampled records only: */
	uint32_t stack;          /* index: where it was last seen; 0 unknown */
	uint32_t reserved;
	uint64_t stack_ns;       /* when that was */
};
static_assert(sizeof(struct seg_thread) == 56, "ABI");

enum seg_resource_kind {
	SEG_RES_FILE = 1, /* key1 = st_dev as stat gives it, key2 = st_ino */
};

struct seg_resource {
	uint32_t seq;
	uint32_t kind;
	uint64_t key1, key2;
	uint32_t path; /* string; as /proc/self/fd/N gave it at first sight */
	uint32_t path_room; /* the writer's: bytes at path, for the next file of this record */
};
static_assert(sizeof(struct seg_resource) == 32, "ABI");

enum seg_lock_kind {
	SEG_LOCK_POSIX = 1, /* fcntl F_SETLK/F_SETLKW, lockf: owner is the process */
	SEG_LOCK_OFD,       /* fcntl F_OFD_SETLK/W: owner is the open file description */
	SEG_LOCK_FLOCK,     /* flock: owner is the open file description; whole file */
	SEG_LOCK_LEASE,     /* fcntl F_SETLEASE; version 2, sampled records only */
};

enum seg_lock_mode { SEG_MODE_READ = 1, SEG_MODE_WRITE };

enum seg_lock_state {
	SEG_LOCK_FREE = 0, /* the slot may be used again */
	SEG_LOCK_WAITING,  /* inside a blocking request */
	SEG_LOCK_POLLING,  /* refused at least once, has not got it since */
	SEG_LOCK_HELD,
	SEG_LOCK_RELEASED, /* tombstone of a hold that was shared by fork: its children's copies
			    * with the same ofd and an earlier since_ns are no longer held */
};

enum seg_lock_flag {
	SEG_LOCK_CARRIED = 1 << 0,   /* held by the former image, found again after execve */
	SEG_LOCK_INHERITED = 1 << 1, /* OFD or flock lock that fork() shared with this process */
	SEG_LOCK_SHARED = 1 << 2,    /* a child was forked while this was held */
	SEG_LOCK_CONVERT = 1 << 3,   /* a wait for another mode of what the same owner holds */
	SEG_LOCK_BEFORE = 1 << 4,    /* was held when the recorder was attached: hold_since_ns is
				      * that moment, and nobody saw where it was taken */
	SEG_LOCK_INFERRED = 1 << 5,  /* version 2, sampled records only: whose it is was deduced from
				      * descriptors and system calls, not told by the kernel */
};

/* A request or a hold. A request that is granted becomes its own hold record. */
struct seg_lock {
	uint32_t seq;
	uint8_t state; /* enum seg_lock_state */
	uint8_t kind;
	uint8_t mode;
	uint8_t flags;
	uint32_t resource; /* index */
	uint32_t thread;   /* index: who asked */
	int32_t fd;        /* through which descriptor */
	uint32_t request;  /* from header.wait_counter: tells one wait from the next */
	uint64_t start, end; /* bytes, inclusive; end SEG_TO_EOF without an end */
	uint64_t ofd;      /* names the open file description across fork: pid << 32 | counter of
			    * the process that first locked through it; 0 for POSIX */
	uint64_t wait_since_ns; /* when the request was made; polling: the first refusal */
	uint64_t hold_since_ns; /* when it was granted; 0 unless held */
	uint64_t last_try_ns;   /* polling: the last refusal */
	uint32_t tries;         /* polling: refusals */
	uint32_t stack;         /* index: where it was asked for */
	uint32_t use; /* version 4: index into SEG_USES of a request that was made in a handler; 0 else */
	uint32_t reserved;
};
static_assert(sizeof(struct seg_lock) == 88, "ABI");

/* By which function a handler was installed; bits of seg_handler.ways. */
enum seg_install {
	SEG_INSTALL_SIGACTION = 1 << 0,
	SEG_INSTALL_SIGNAL = 1 << 1,       /* signal() as BSD and glibc have it */
	SEG_INSTALL_SYSV = 1 << 2,         /* signal() of System V: SA_RESETHAND | SA_NODEFER */
	SEG_INSTALL_SIGSET = 1 << 3,
	SEG_INSTALL_CHANGE = 1 << 4, /* of what was installed: by siginterrupt(), or by sigaction(),
				      * after it had told what was there */
};

/*
 * Version 4. What a thread held, all of it, at a moment when it asked for another lock: a chain, the
 * newest hold first, that shares its older part with other chains. Equal ones share a record: the
 * same file, mode, range and place. Only `ofd` changes when it is complete.
 */
struct seg_holding {
	uint32_t seq;
	uint32_t under;    /* index, smaller than its own: what was taken before; 0: nothing */
	uint32_t resource; /* index */
	uint32_t stack;    /* index: where it was taken */
	uint8_t kind;
	uint8_t mode;
	uint16_t reserved0;
	uint32_t reserved1;
	uint64_t start, end;
	uint64_t ofd;      /* as in seg_lock; of the last time */
};
static_assert(sizeof(struct seg_holding) == 48, "ABI");

enum seg_edge_flag {
	SEG_EDGE_CUT = 1 << 0, /* more was held than the chain has: its oldest part is missing */
};

/*
 * Version 4. A request that would have waited (no trylock), was granted, and was made while its thread
 * held something: an edge of the lock order from each lock of the chain to the one asked for. Equal ones
 * (the same chain, file, mode, range and place) share a record.
 */
struct seg_edge {
	uint32_t seq;
	uint32_t held;     /* index of the chain; never 0 */
	uint32_t resource; /* index: what was asked for */
	uint32_t stack;    /* index: where */
	uint8_t kind;
	uint8_t mode;
	uint16_t flags;        /* enum seg_edge_flag */
	uint32_t thread;       /* index: of the first time */
	uint32_t other_thread; /* index: another one that did the same; 0 none */
	uint32_t reserved0;
	uint64_t start, end;
	uint64_t ofd;      /* of the last time */
	uint64_t count;    /* atomic add */
	uint64_t first_ns, last_ns;
};
static_assert(sizeof(struct seg_edge) == 80, "ABI");

/* Safe functions that are seen when a handler calls them: those that wake somebody, or do the work. */
#define SEG_SAFE_CALLS(CALL) \
	CALL(write) CALL(writev) CALL(pwrite) CALL(pwrite64) CALL(send) CALL(sendto) \
	CALL(sendmsg) CALL(eventfd_write) CALL(sem_post) CALL(kill) CALL(raise) CALL(tgkill) \
	CALL(pthread_kill) CALL(sigqueue) CALL(pthread_sigqueue) CALL(wait) CALL(waitid) \
	CALL(waitpid) CALL(shutdown) CALL(mq_send)

/*
 * Version 4. A POSIX lock that the process had not, or had no more, though it may have thought so: one record
 * per (how, file, range, mode, both places). What happened several times is counted; lost_ns and ended_ns are of the
 * last time, all else of the worst.
 */
enum seg_lost_how {
	SEG_LOST_CLOSE = 1, /* a close of another descriptor of the file released it; its own is open */
	SEG_LOST_DUP,       /* a close of its own did; a duplicate of that is open */
	SEG_LOST_FORK,      /* the parent had it at fork(), which does not pass it on: it was unlocked */
	SEG_LOST_NEVER,     /* unlocked, and nothing of it was held */
};

enum seg_lost_end {
	SEG_LOST_BELIEVED = 0, /* not yet */
	SEG_LOST_UNLOCKED,     /* by an unlock: it was believed in until then */
	SEG_LOST_CLOSED,       /* the descriptor was closed */
	SEG_LOST_RELOCKED,     /* it was taken again */
};

struct seg_lost {
	uint32_t seq;
	uint32_t resource;   /* index */
	uint32_t stack;      /* index: the close; FORK and NEVER: the unlock */
	uint32_t lock_stack; /* index: where it was taken; 0 unknown */
	uint8_t how;
	uint8_t end;         /* of the last time */
	uint8_t mode;
	uint8_t reserved0;
	int32_t fd;          /* through which it was taken, or that is left of it */
	int32_t closed_fd;
	uint32_t thread;     /* index: who closed, or unlocked */
	uint64_t start, end_byte;
	uint64_t taken_ns;
	uint64_t first_ns, lost_ns;
	uint64_t ended_ns;   /* 0: SEG_LOST_BELIEVED */
	uint64_t longest_ns; /* from a loss to its end */
	uint64_t count;      /* losses */
	uint64_t unlocked;   /* of these, such that ended by an unlock */
	uint64_t other_ns;   /* when other_pid was found */
	int32_t other_pid;   /* who had a lock against it at the end (F_GETLK); 0 nobody, -1 a description's */
	uint32_t reserved1;
};
static_assert(sizeof(struct seg_lost) == 120, "ABI");

/* A signal disposition that was in force at some time: one record per (signo, handler, flags). */
struct seg_handler {
	uint32_t seq;
	int32_t signo;
	uint64_t handler;  /* address of the program's function */
	uint64_t mask;     /* sa_mask, bit n-1 for signal n */
	uint32_t flags;    /* sa_flags as the program gave them */
	uint32_t current;  /* 1 while installed */
	uint32_t installs; /* how often it was installed */
	uint32_t stack;    /* where first installed */
	uint64_t deliveries;  /* atomic add */
	uint64_t by_user;     /* atomic add: si_code <= 0 (kill, sigqueue, tgkill) */
	uint64_t by_timer;    /* atomic add: SI_TIMER; of setitimer() and alarm() since version 4 */
	uint64_t by_kernel;   /* atomic add: all others */
	int32_t last_sender;  /* si_pid of the last by_user */
	uint32_t max_depth;   /* of nesting seen when it was entered, 1 = not nested */
	uint64_t total_ns;    /* atomic add: time in the handler; 0 for those left by longjmp */
	uint64_t max_ns;
	uint64_t first_ns, last_ns; /* deliveries */
	uint64_t errno_clobbered;   /* atomic add: returns with another errno */
	uint32_t errno_before, errno_after; /* of the first such */
	uint32_t was_reset; /* 1: the kernel put SIG_DFL in its place (SA_RESETHAND), and the program
			     * has put nothing there since */
	uint32_t ways; /* version 4: enum seg_install, all that installed it; 0 unknown: inherited
			* by fork, or found there */
	uint64_t acted; /* version 4, atomic add: returns of handlers that did more than to set a flag, as
			 * seg_interruption.acted */
	uint64_t safe_calls; /* version 4, atomic or: which of SEG_SAFE_CALLS it called, bit 0 the first */
	/*
	 * Version 4. The last time that it interrupted no system call, and had not acted; of deliveries that are
	 * events. Stored last: returned_ns.
	 */
	uint64_t returned_ns;
	uint64_t returned_sleeps; /* voluntary context switches of the thread until then */
	int32_t returned_tid;     /* of the thread; 0 never */
	uint32_t reserved;
};
#define SEG_HANDLER_SIZE_1 144 /* of versions 1 to 3 */
static_assert(offsetof(struct seg_handler, safe_calls) == SEG_HANDLER_SIZE_1, "ABI");
static_assert(sizeof(struct seg_handler) == 176, "ABI");

/*
 * A system call that a handler came into and that is asked once more when the handler returns: the
 * saved context stands on the instruction, with the call's number (signal(7): SA_RESTART), or the
 * signal came just before the call. One record per (handler, call, place). Handlers that do not
 * return have none.
 *
 * Version 4: in `ended` also those that it ended with EINTR, where the place shows which call it was.
 * Calls that let in a signal which is blocked outside of them (ppoll() with a mask, sigsuspend()) are not
 * recorded: nothing can come right before them.
 */
struct seg_interruption {
	uint32_t seq;
	uint32_t handler;  /* index of the disposition */
	int64_t syscall;   /* its number */
	uint64_t args[2];  /* of the last one */
	uint64_t pc;       /* of the instruction */
	uint32_t thread;   /* index: of the last one */
	uint32_t stack;    /* of the interrupted code; of the first one */
	uint64_t count;    /* atomic add */
	uint64_t acted;    /* atomic add: of these, handlers that called something that may have
			    * done the work or woken who does it: what stands in unsafe.def */
	uint64_t first_ns, last_ns; /* when the handler returned */
	/* Version 4: */
	uint64_t ended;       /* atomic add: calls that ended with EINTR instead; not in `count` */
	uint64_t ended_acted; /* atomic add: of these, as acted */
	uint64_t ended_ns;    /* the last of them */
	uint64_t limit_ns;    /* after which the call ends by itself: the longest that was seen, SEG_NO_LIMIT */
	uint64_t sleeps;      /* of the thread until last_ns: voluntary context switches; 0 unknown */
	uint64_t waited_ns;   /* the longest that it is known to have gone on waiting in this call after a
			       * handler: the next signal found it there, and it had slept once. 0 none */
};
#define SEG_NO_LIMIT UINT64_MAX
#define SEG_INTERRUPTION_SIZE_1 96 /* of versions before 4 */
static_assert(sizeof(struct seg_interruption) == 128, "ABI");

/*
 * Locks of threads (version 4): what one thread holds and asks for. Only that thread writes, with
 * plain stores: a lock that is free when it is asked for costs four of them. So the records of
 * one list are not of one moment to a reader; one hold is whole where its address is the same
 * before and after. The seq of the list brackets `wait` alone.
 *
 * A record is for a thread that may have ended: then it belongs to the next thread that needs one,
 * if it holds nothing.
 */
enum seg_hold_kind {
	SEG_HOLD_MUTEX = 1,
	SEG_HOLD_RWLOCK,
	SEG_HOLD_SPIN,
	SEG_HOLD_SEMAPHORE, /* it was waited for with success, and not posted since; once, however often */
	SEG_HOLD_KINDS
};

enum seg_hold_state {
	SEG_HOLD_ASKED = 1, /* the call has begun. It waits, or is about to return */
	SEG_HOLD_HELD,
	SEG_HOLD_LENT, /* a mutex, inside of pthread_cond_wait(), which gives it up and takes it again */
};

enum seg_hold_flag {
	SEG_HOLD_TIMED = 1 << 0,      /* since_ns is known: it had to wait for it */
	SEG_HOLD_OWNER_DIED = 1 << 1, /* robust: its former owner ended holding it (EOWNERDEAD) */
};

struct seg_hold {
	uint64_t address; /* of the lock; 0: nothing. Stored last, cleared first */
	uint64_t site;    /* return address of the call that took it */
	uint8_t state, kind, mode, flags;
	uint32_t stack;    /* index: where it was asked for; 0 unless it had to wait */
	uint64_t since_ns; /* when it was granted; see SEG_HOLD_TIMED */
};
static_assert(sizeof(struct seg_hold) == 32, "ABI");

/* What a thread is blocked in, written before the call. Of a lock, beside its hold (SEG_HOLD_ASKED). */
enum seg_thread_wait_kind {
	SEG_WAIT_NONE = 0,
	SEG_WAIT_LOCK,
	SEG_WAIT_CONDITION, /* second: the mutex */
	SEG_WAIT_SEMAPHORE,
	SEG_WAIT_BARRIER,
	SEG_WAIT_JOIN, /* address: the pthread_t */
	SEG_WAIT_KINDS
};

enum seg_thread_wait_flag {
	SEG_WAIT_UNTIL = 1 << 0, /* it has a time limit */
};

struct seg_thread_wait {
	uint8_t kind, flags, hold_kind, mode;
	uint32_t stack;   /* index */
	uint64_t address; /* of the object */
	uint64_t second;
	uint64_t since_ns;
	uint64_t site;    /* return address of the call */
	uint32_t request; /* from header.wait_counter */
	uint32_t reserved;
};
static_assert(sizeof(struct seg_thread_wait) == 48, "ABI");

#define SEG_HOLDS_MAX 123
struct seg_holds {
	uint32_t seq;
	uint32_t thread; /* index into SEG_THREADS */
	int32_t tid;
	uint32_t top;    /* holds[top] and above are not in use */
	uint64_t self;   /* pthread_self() */
	uint32_t lost;   /* locks now held that found no room */
	uint32_t lost_ever;
	uint64_t acquired; /* locks taken */
	uint64_t busy;     /* of these, were not free when they were asked for */
	struct seg_thread_wait wait;
	uint64_t reserved[8];
	struct seg_hold holds[SEG_HOLDS_MAX];
};
static_assert(sizeof(struct seg_holds) == 4096, "ABI: a page");
enum seg_use_role {
	SEG_USE_TAKEN = 1,   /* `handler` asked for it; 0: code outside of handlers did */
	SEG_USE_INTERRUPTED, /* `handler` came to a thread that held it, and had taken it itself */
};

enum seg_use_flag {
	SEG_USE_BLOCKING = 1 << 0, /* the request waits */
};

/*
 * What locks and handlers have to do with each other: one record per (role, handler, kind, mode, range,
 * stack, and for SEG_USE_TAKEN the set of signals that have handlers). Requests outside of handlers are
 * looked at only while some signal has a handler, and asked about their mask once per record. Of one
 * (role, handler, kind, mode, stack) no more than a few files and ranges are kept.
 */
struct seg_use {
	uint32_t seq;
	uint8_t role; /* enum seg_use_role */
	uint8_t kind;
	uint8_t mode;
	uint8_t flags;       /* enum seg_use_flag */
	uint32_t resource;   /* index */
	uint32_t handler;    /* index of the disposition */
	uint32_t stack;      /* where it was asked for */
	uint32_t thread;     /* index: of the first one */
	uint64_t start, end; /* as in struct seg_lock */
	uint64_t ofd;        /* of the first one */
	uint64_t exposed; /* SEG_USE_TAKEN: signals that had handlers and were not blocked when it was
			   * asked for the first time; bit n-1 for signal n */
	uint64_t count;   /* atomic add: requests in handlers, or deliveries; 1 for requests outside */
	uint64_t dropped; /* atomic add, SEG_USE_INTERRUPTED: the handler unlocked it, or closed the file */
	uint64_t waited_ns; /* the longest that a request in a handler slept for `holder`, 0 none did */
	uint64_t first_ns, last_ns;
	uint32_t left_out; /* atomic add: others of this place that were not kept */
	int32_t holder;    /* who had it when such a request was made last: F_GETLK's l_pid; 0 nobody, or
			    * not known (flock) */
};
static_assert(sizeof(struct seg_use) == 104, "ABI");

/*
 * A condition variable that was signalled, or a semaphore that was posted (version 4). Any thread
 * writes, without a seq: what two write at once may be mixed of both.
 */
struct seg_sync {
	uint32_t kind; /* enum seg_thread_wait_kind */
	uint32_t reserved0;
	uint64_t address; /* 0: not in use; stored last */
	uint64_t count;   /* atomic add */
	uint64_t foreign; /* atomic add: of these, by a thread that had not taken the semaphore */
	uint64_t last_ns; /* of the clock that ticks with the timer */
	uint64_t last_site;
	int32_t last_tid;
	uint32_t reserved1;
	uint64_t reserved;
};
static_assert(sizeof(struct seg_sync) == 64, "ABI");

/* A page of them in SEG_LISTS, told from a thread's list by its tid. */
#define SEG_SYNCS_TID (-1)
#define SEG_SYNCS_MAX 63
struct seg_syncs {
	uint32_t seq;
	uint32_t reserved0;
	int32_t tid; /* SEG_SYNCS_TID */
	uint32_t top; /* 0 */
	uint64_t reserved[6];
	struct seg_sync syncs[SEG_SYNCS_MAX];
};
static_assert(sizeof(struct seg_syncs) == sizeof(struct seg_holds), "ABI: one table");
static_assert(offsetof(struct seg_syncs, tid) == offsetof(struct seg_holds, tid), "ABI: one table");
static_assert(offsetof(struct seg_syncs, top) == offsetof(struct seg_holds, top), "ABI: one table");

enum seg_finding_kind {
	SEG_FIND_UNSAFE_CALL = 1, /* function was called in a handler */
	SEG_FIND_JUMP, /* version 4: function leaves `why` handlers without a return, this one first */
};

enum seg_finding_flag {
	SEG_FIND_ALLOC_CALL = 1 << 0, /* function is of the malloc family */
	SEG_FIND_MAYBE_ALLOC = 1 << 1, /* allocator-like addresses on the interrupted stack: a hint
					* that only splits sites; the collector unwinds to know */
	SEG_FIND_ALTSTACK = 1 << 2,    /* handler ran on an alternate stack: two slices */
	SEG_FIND_THREADED = 1 << 3,    /* the process had more than one thread */
	SEG_FIND_NO_SLICE = 1 << 4,    /* no room for a slice: registers only */
	SEG_FIND_LOCK_CALL = 1 << 5,   /* function waits for a lock */
	SEG_FIND_RESCUED = 1 << 6,     /* the emergency arena did it: the heap was not re-entered */
	SEG_FIND_INHERITED = 1 << 7,   /* version 4: the handler began before the fork() that made the
					* process: what it interrupted goes on in the parent */
	SEG_FIND_HELD = 1 << 8,        /* version 4: the interrupted thread held locks: `held` */
	SEG_FIND_HELD_MORE = 1 << 9,   /* and more than these */
};

/*
 * Why a function is unsafe in a handler: bits of seg_finding.why, from the table of functions
 * (unsafe.def). 0: not known, of a writer that did not say.
 */
enum seg_why {
	SEG_WHY_WAIT = 1 << 0,    /* waits for a lock of the program's */
	SEG_WHY_STREAM = 1 << 1,  /* works on a stream of stdio: its lock, its buffer */
	SEG_WHY_ZONE = 1 << 2,    /* the time zone: its lock, its file */
	SEG_WHY_ENVIRON = 1 << 3, /* changes the environment */
	SEG_WHY_LOCK = 1 << 4,    /* takes a lock of libc's */
	SEG_WHY_HEAP = 1 << 5,    /* may call the malloc family */
	SEG_WHY_DATA = 1 << 6,    /* changes data that other calls share */
	SEG_WHY_BUFFER = 1 << 7,  /* its result is in a static buffer */
	SEG_WHY_LOCALE = 1 << 8,  /* looks for translations, reads the locale */
	SEG_WHY_NAMES = 1 << 9,   /* asks the name service, which has plugins */
	SEG_WHY_LOADER = 1 << 10, /* may load a module */
	SEG_WHY_CODE = 1 << 11,   /* calls functions of the program (atexit, atfork, callbacks) */
	SEG_WHY_FIRST = 1 << 12,  /* prepares something at its first call */
	SEG_WHY_NAMED = 1 << 14,  /* the user says so */
	SEG_WHY_SAFE = 1 << 13,   /* alone: safe in glibc by its manual, not by POSIX */
};

#define SEG_HELD 3 /* locks of interrupted code that are kept with a finding */
#define SEG_REGS 17    /* DWARF order. x86-64: 0..15 then the return address column (rip) */
#define SEG_REGS_MAX 34 /* aarch64: x0..x30, sp, pc, pstate */

struct seg_slice {
	uint64_t address; /* of the first byte in the process */
	uint32_t offset;  /* into SEG_SLICES */
	uint32_t length;
};

/*
 * One site: (function, signo, caller, interrupted function, hint). The first call of a site is
 * kept whole (registers and stack), later ones are counted.
 */
struct seg_finding {
	uint32_t seq;
	uint16_t kind;
	uint16_t flags;
	uint32_t function; /* string: the function that was called */
	int32_t signo;
	uint32_t handler; /* index of the disposition */
	uint32_t thread;  /* index: of the first call */
	uint64_t caller;  /* return address of the call */
	uint64_t interrupted_pc;
	uint64_t interrupted_function; /* start of the FDE that covers interrupted_pc, 0 unknown */
	uint64_t count;                /* atomic add */
	uint64_t first_ns, last_ns;
	uint64_t regs[SEG_REGS_MAX]; /* at the call, as its caller sees them after a return:
				      * pc = caller, sp = behind the return address */
	struct seg_slice slices[2];  /* [0] from sp up; [1] the interrupted stack, if another */
	uint64_t context;            /* address of the innermost ucontext_t, inside slices[0] */
	uint32_t why; /* enum seg_why: what makes `function` unsafe; SEG_FIND_JUMP: handlers left */
	uint32_t held[SEG_HELD]; /* version 4: indices into SEG_USES: what the code that the handler came
				  * into had locked, at the first call */
};
static_assert(sizeof(struct seg_finding) == 400, "ABI");

enum seg_stack_flag {
	SEG_STACK_CUT = 1 << 0,    /* at the unwinder's limit */
	SEG_STACK_MARKED = 1 << 1, /* version 2: program counters may carry SEG_PC_* */
	SEG_STACK_SHORT = 1 << 2,  /* version 2: the unwinder lost its way behind the last frame */
};
#define SEG_PC_EXACT (UINT64_C(1) << 63)  /* no return address: where it was, or was interrupted */
#define SEG_PC_SIGNAL (UINT64_C(1) << 62) /* the frame that the kernel made to call a handler */
#define SEG_PC_MASK (SEG_PC_SIGNAL - 1)

struct seg_stack {
	uint32_t seq;
	uint32_t count; /* frames; innermost first: the wrapper's caller. All are return addresses */
	uint32_t pcs;   /* first index (0-based) into SEG_PCS */
	uint32_t flags; /* enum seg_stack_flag */
	uint64_t hash;
};
static_assert(sizeof(struct seg_stack) == 24, "ABI");

struct seg_module {
	uint32_t seq;
	uint32_t build_id_size;
	uint64_t start, end; /* mapped range */
	uint64_t bias;       /* load bias: address in the process minus address in the file */
	uint8_t build_id[32];
	uint32_t path; /* string */
	uint32_t reserved;
};
static_assert(sizeof(struct seg_module) == 72, "ABI");

enum seg_event_kind {
	SEG_EV_START = 1, /* value: image */
	SEG_EV_FORK,      /* value: child's pid */
	SEG_EV_EXEC,
	SEG_EV_EXIT,      /* value: status */
	SEG_EV_WAIT,      /* value: lock index; aux: resource index (the lock's slot may be reused) */
	SEG_EV_ACQUIRED,  /* value: kind << 32 (0 before version 4) | lock index; aux: resource index */
	SEG_EV_REFUSED,   /* value: resource index << 32; aux: errno */
	SEG_EV_WITHDRAWN, /* value: resource index << 32 | lock index; aux: errno */
	SEG_EV_RELEASED,  /* value: resource index; aux: kind */
	SEG_EV_DROPPED,   /* value: resource index; a close released a POSIX lock */
	SEG_EV_INSTALL,   /* value: handler index */
	SEG_EV_SIGNAL,    /* value: handler index; aux: sender */
	SEG_EV_RETURN,    /* value: handler index */
	SEG_EV_FINDING,   /* value: finding index (first call of a site only) */
	SEG_EV_ENDED,     /* sampled: the process is gone, how is not known */
	SEG_EV_ATTACH,    /* value: calls redirected */
	SEG_EV_DETACH,    /* value: calls put back */
	SEG_EV_KINDS
};

struct seg_event {
	uint32_t seq; /* 2 * (number of the event + 1), odd while written */
	uint16_t kind;
	uint16_t mode; /* lock mode, 0 if none */
	int32_t tid;
	int32_t aux;
	uint64_t ns;
	uint64_t value;
	uint64_t start; /* first byte of a range, or 0 */
};
static_assert(sizeof(struct seg_event) == 40, "ABI");

#endif
