/*
 * The model: what is known about processes, locks, handlers and findings at one moment.
 *
 * Plain arrays that grow; records name each other by index (MODEL_NONE for none), never by
 * pointer, because arrays move. Sources fill it, merge and analysis refine it, renderers read it.
 * It knows nothing of /proc, segments, DWARF or output. Times are CLOCK_MONOTONIC nanoseconds, 0
 * unknown. Strings are owned by the model (model_string) and live as long as it does.
 */
#ifndef LOCKJAM_MODEL_H
#define LOCKJAM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "collector/model/wait.h"

#define MODEL_NONE UINT32_MAX
#define MODEL_TO_EOF UINT64_MAX

/* How sure we are of a hold or a wait. */
enum evidence {
	EVIDENCE_OBSERVED, /* the kernel says so now (with or without a record) */
	EVIDENCE_RECORDED, /* from a record alone: the state at the process's death, or not
			      checkable */
	EVIDENCE_INFERRED, /* deduced: the owner was found by descriptors, the call by its registers
			    */
	EVIDENCE_STALE,    /* recorded, but the kernel does not confirm it: never shown as fact */
};

enum process_state {
	PROCESS_LIVE,
	PROCESS_EXITED,   /* recorded exit */
	PROCESS_KILLED,   /* gone without a recorded exit */
	PROCESS_EXECED,   /* an earlier image of a process that went on */
	PROCESS_DUMPED,   /* as its core has it */
	PROCESS_DETACHED, /* the recorder was taken off a process that went on */
	PROCESS_STATES
};

/* A record that ended before its process: what it says of locks is not true any more. */
static inline bool process_is_past(enum process_state state)
{
	return state == PROCESS_EXECED || state == PROCESS_DETACHED;
}

/* Signals that were pending at each of several looks, for the process or for one of its threads, and
 * that nobody who could have taken them let in. */
struct model_held_back {
	uint64_t signals; /* 0: none, or nobody looked */
	uint64_t since_ns, last_ns;
	uint32_t looks;
	bool has_run;    /* one of its threads was running, or ran in between */
	bool is_sampled; /* by who recorded it from outside */
};

struct model_process {
	pid_t pid;
	pid_t ppid;
	uint64_t start_time; /* clock ticks since boot, 0 unknown; with pid it names the process */
	uint64_t started_real_ns; /* the same on CLOCK_REALTIME, for living processes that are not
				   * recorded; 0 unknown */
	uint32_t image;
	uid_t uid;
	enum process_state state;
	int exit_status; /* only PROCESS_EXITED */
	int killed_by;   /* PROCESS_KILLED: the signal that ended it, 0 unknown */
	uint32_t session; /* 0: the one that is shown; else of another, and only its orders of locks are
			   * known, with times of this one's clock */
	bool is_target;  /* chosen by the targets (all are when there are none), not only related */
	bool has_segment;
	bool has_children_threads; /* more than one thread was seen */
	pid_t ns_pid;        /* in a pid namespace of its own; 0: not looked at, or as we see it */
	const char *root;    /* its root directory, as we see it; NULL: ours, or not known */
	const char *exe;     /* path, never NULL ("" unknown) */
	const char *name;    /* what lines show: title, else exe, else comm in [brackets] */
	const char *cmdline; /* arguments joined by blanks, "" unknown */
	const char *segment_path; /* NULL without */
	uint64_t ended_ns;
	uint64_t last_ns; /* the latest time in its record */
	uint64_t deliveries;
	struct model_held_back held_back;
	/* How signals stood when its program began, after execve(): masks, bit n - 1 for signal n. */
	bool knows_start;
	uint64_t blocked_at_start, ignored_at_start;
	uint64_t caught_before; /* by the program before it in the same process */
	uint32_t listens;       /* calls of listen() */
};

struct model_thread {
	uint32_t process;
	pid_t tid;
	const char *name;   /* that the kernel has for it, NULL not asked */
	const char *tracer; /* who traces it (ptrace), "gdb (pid 12)"; NULL nobody or not asked */
	const char *wchan; /* task_state D: the kernel's function that it sleeps in, NULL unknown */
	const char *waits_on; /* what the descriptor of its system call leads to, NULL none or
				 unknown */
	char task_state;      /* of /proc/PID/stat ('S', 'R', 'D', ...), 0 unknown */
	long syscall;         /* number it is blocked in, -1 none or unknown */
	uint64_t asleep_since_ns; /* who asks for a file lock; 0 not asked, or running */
	uint64_t ran_ns; /* on a processor since it began: the same at two looks, it has slept in
			  * between; 0 not asked */
	uint64_t syscall_args[6];
	uint64_t sp, pc; /* of /proc/PID/syscall; 0 unknown */
	uint32_t handler_depth;
	int handler_signo; /* innermost active handler, 0 none */
	uint32_t call;     /* raw finding (calls[]) whose call has not returned, MODEL_NONE */
	uint64_t call_since_ns;
	uint32_t stack;   /* where it was, if that is known for good (a core); else MODEL_NONE */
	bool has_signals; /* blocked and pending were read */
	uint64_t blocked, pending; /* masks of signals: bit n - 1 for signal n */
	uint64_t sleeps; /* its voluntary context switches, of who was interrupted; 0 unknown */
	uint64_t sleep_mask; /* the signals that it blocked at that moment */
};

enum resource_kind {
	RESOURCE_FILE,
	RESOURCE_MEMORY /* a lock of threads: a word of a process's memory, or of shared memory */
};

struct model_resource {
	enum resource_kind kind;
	uint64_t dev, ino;   /* dev as stat(2) gives it; 0 if only the kernel's number is known */
	uint64_t kernel_dev; /* MAJ:MIN of /proc/locks, as makedev(); 0 unknown */
	const char *path;    /* "" unknown; shown as dev:ino then. RESOURCE_MEMORY: what it is called,
			      * "mutex 0x55d0c0a4 (cache_lock)" */
	uint32_t process;    /* RESOURCE_MEMORY: whose memory; MODEL_NONE: shared, dev and ino are
			      * the mapped file's */
	uint64_t address;    /* RESOURCE_MEMORY: in the process, or the offset in the file */
	bool is_detached;    /* its mount is nobody's any more: the path is what is below it */
	pid_t seen_by; /* the path is this process's, in a mount namespace of its own; 0 ours */
	bool is_deleted;
	bool is_replaced; /* is_deleted, and the path leads to another file that is locked, too */
};

enum lock_kind {
	LOCK_POSIX,
	LOCK_OFD,
	LOCK_FLOCK,
	LOCK_LEASE,
	LOCK_MUTEX, /* from here on: locks of threads, RESOURCE_MEMORY */
	LOCK_RWLOCK,
	LOCK_SPIN,
	LOCK_STREAM, /* of a FILE of stdio */
	LOCK_HEAP,   /* of the allocator */
	LOCK_LOADER, /* of the dynamic loader */
	LOCK_KINDS
};
static inline bool lock_is_of_threads(enum lock_kind kind)
{
	return kind >= LOCK_MUTEX;
}
enum lock_mode {
	MODE_READ,
	MODE_WRITE
};
enum lock_state {
	LOCK_HELD,
	LOCK_WAITING,
	LOCK_POLLING
};

/* One hold, or one request that was not granted. */
struct model_lock {
	enum lock_state state;
	enum lock_kind kind;
	enum lock_mode mode;
	enum evidence evidence;
	uint32_t resource;
	uint32_t process;    /* MODEL_NONE: nobody could be named; said in the output */
	uint32_t thread;     /* MODEL_NONE unknown */
	uint64_t start, end; /* bytes, inclusive; MODEL_TO_EOF without an end */
	uint64_t since_ns;   /* hold: granted; wait: asked; poll: first refusal; 0 unknown */
	uint64_t last_try_ns;
	uint64_t until_ns;   /* LOCK_WAITING: it gives up then; 0: it does not, UINT64_MAX: some time */
	uint32_t tries;      /* LOCK_POLLING */
	uint64_t ofd;        /* equal: the same open file description; 0 unknown */
	uint64_t request;    /* tells one wait from the next of the same thread */
	int fd;              /* the descriptor it was asked through, -1 unknown */
	uint32_t stack;      /* where it was asked for */
	uint32_t queue_rank; /* LOCK_WAITING: order in the kernel's queue, from 0 */
	uint32_t use;        /* into uses: the request was made in a handler; MODEL_NONE else */
	uint32_t blocker;    /* waiter: the lock (a hold, or another waiter) it is queued behind */
	bool is_carried, is_inherited;
	bool is_sampled;        /* since_ns is when it was seen first, by looking now and then */
	uint64_t seen_until_ns; /* is_sampled, nobody has looked since then, and it was seen now; 0
				   else */
	bool is_deduced;        /* is_sampled, and whose it is was EVIDENCE_INFERRED then */
	bool is_glimpse;        /* is_sampled, and seen at one look only */
	bool is_delegation;     /* LOCK_LEASE: of a file server */
	bool is_breaking;       /* a lease that has to be given up: somebody opens the file */
	bool is_before;         /* held when the recorder was attached: since_ns is that moment */
	bool is_copy; /* hold of an open file description that is shown for another process */
	bool is_through_map; /* held by a mapping of the file: nobody has a descriptor of it */
	uint32_t next_copy;  /* of a hold and its copies that were found by looking; MODEL_NONE ends
			      */
	pid_t taker;         /* who took it, where that is another process than `process`; else 0 */
	bool has_taker_ended;
	const char *unowned; /* why no process could be named, one clause; NULL else */
};

/*
 * The order of locks, as recorded while all went well: a thread held a chain of locks and asked for
 * another one, by a request that would have waited.
 */
struct model_holding {
	uint32_t process;
	uint32_t under; /* into holdings: what was taken before, MODEL_NONE nothing. Smaller than its
			 * own index */
	uint32_t resource;
	enum lock_kind kind;
	enum lock_mode mode;
	uint64_t start, end;
	uint64_t ofd;
	uint32_t stack; /* where it was taken */
};

struct model_edge {
	uint32_t process;
	uint32_t thread;    /* that did it first; MODEL_NONE: it has ended */
	uint32_t by, by_other; /* numbers of its threads within the process; by_other 0: one only */
	uint32_t held;      /* into holdings: the newest of what it held */
	bool is_cut;        /* it held more than the chain has */
	uint32_t resource;  /* what it asked for */
	enum lock_kind kind;
	enum lock_mode mode;
	uint64_t start, end;
	uint64_t ofd;
	uint32_t stack; /* where it asked */
	uint64_t count, first_ns, last_ns;
};

/*
 * A POSIX lock that a process had not, or had no more, and may have thought that it had. Equal losses are one.
 */
enum lost_how {
	LOST_CLOSE, /* by a close of another descriptor of the file */
	LOST_DUP,   /* by a close of its own, while a duplicate stayed open */
	LOST_FORK,  /* the parent had it; this process unlocked it */
	LOST_NEVER  /* it was unlocked, and not held */
};

enum lost_end {
	LOST_BELIEVED, /* no end was seen: until the process ended, or now */
	LOST_UNLOCKED,
	LOST_CLOSED,
	LOST_RELOCKED
};

struct model_lost {
	uint32_t process;
	enum lost_how how;
	enum lost_end end; /* of the last time */
	enum lock_mode mode;
	uint32_t resource;
	uint64_t start, end_byte;
	uint32_t stack;      /* of the close; LOST_FORK, LOST_NEVER: of the unlock */
	uint32_t lock_stack; /* where it was taken, MODEL_NONE unknown */
	uint64_t taken_ns;
	uint64_t first_ns, lost_ns; /* the first and the last time */
	uint64_t ended_ns;          /* of the last time; 0: LOST_BELIEVED */
	uint64_t longest_ns;        /* it took to its end */
	uint64_t count, unlocked;   /* losses; such that an unlock ended */
	pid_t other_pid;            /* who had it, at an end; 0 nobody, -1 nobody that has a pid */
	uint32_t other;             /* who got it in between, by his own record; MODEL_NONE unknown */
	uint64_t other_ns;
};

/* FRAME_INLINE: the function into which the frame before it was inlined; both share one address,
 * which, as in gdb, is shown with the innermost. */
enum frame_kind {
	FRAME_CALL,
	FRAME_INLINE,
	FRAME_SIGNAL
};

struct model_frame {
	enum frame_kind kind;
	uint64_t pc;           /* 0 for FRAME_INLINE */
	const char *function;  /* NULL unknown */
	const char *arguments; /* "a=1, b=2" without parentheses, NULL unknown */
	const char *file;      /* source, NULL unknown */
	int line;
	const char *module; /* path of the object, NULL unknown */
	int signo;          /* FRAME_SIGNAL: of the handler that was called, 0 unknown */
	uint64_t mask; /* FRAME_SIGNAL: signals that are blocked outside of it; 0 none, unknown */
};

enum stack_origin {
	STACK_PCS,    /* recorded program counters of one process */
	STACK_SLICE,  /* recorded registers and stack of one process */
	STACK_THREAD, /* a live thread, now */
	STACK_CORE,   /* a thread of a core */
};

/* A stack, unwound and named only when asked for (stack_resolve of stack.h). */
struct model_stack {
	enum stack_origin origin;
	uint32_t process;
	uint32_t thread; /* STACK_THREAD, STACK_CORE */
	uint32_t raw;    /* STACK_PCS: index in the segment; STACK_SLICE: the raw finding;
			  * STACK_CORE: the core's thread */
	uint64_t site;   /* STACK_PCS with raw 0: the innermost return address is all that was recorded */
	bool is_resolved;
	uint32_t first_frame; /* into model.frames */
	uint32_t frame_count;
	uint32_t left_out;   /* frames that collect_options.max_frames cut off */
	bool has_more;       /* left_out is a lower bound: nobody counted on */
	const char *stopped; /* "Backtrace stopped: ..." reason, NULL if it reached its end */
	uint64_t seen_ns;    /* a sampled thread was seen there; 0: the stack's moment is plain */
	uint64_t stood_ns; /* STACK_THREAD: for how long the thread was stopped for it, 0 not at all
			    */
};

/* By which function a handler was installed; bits. */
enum handler_way {
	WAY_SIGACTION = 1 << 0,
	WAY_SIGNAL = 1 << 1,
	WAY_SYSV_SIGNAL = 1 << 2, /* signal() with the semantics of System V */
	WAY_SIGSET = 1 << 3,
	WAY_CHANGE = 1 << 4, /* of what was installed: siginterrupt(), or asked and put back */
	WAYS_KNOWN = (1 << 5) - 1
};

struct model_handler {
	uint32_t process;
	int signo;
	uint64_t address;     /* of the function */
	const char *function; /* NULL until resolved or unknown */
	const char *file;
	int line;
	const char *module;
	uint64_t offset; /* of the function in module: the same in every process */
	uint32_t flags;  /* sa_flags */
	uint64_t mask;
	bool is_current;
	bool was_reset; /* SIG_DFL stands in its place since a delivery: SA_RESETHAND */
	uint32_t installs;
	uint32_t ways;  /* enum handler_way, all that installed it; 0 unknown */
	uint32_t stack; /* where installed first */
	uint64_t deliveries, by_user, by_timer, by_kernel;
	pid_t last_sender;
	const char *sender_name; /* what it is, or was; NULL unknown */
	const char *safe_calls;  /* "write, kill": safe functions that it was seen to call; "" none */
	uint32_t max_depth;
	uint64_t total_ns, max_ns, first_ns, last_ns;
	uint64_t errno_clobbered;
	int errno_before, errno_after;
	uint64_t acted; /* returns after it did more than to set a flag; 0 in records of version 3 */
	/* The last time that it interrupted no system call, and had not acted: */
	uint64_t returned_ns, returned_sleeps; /* and how often the thread had slept until then */
	pid_t returned_tid;                    /* 0 never */
};

/*
 * A system call that a handler came into, or came just before: made (once more) when the handler had
 * returned, or ended by it. Not those that let in a signal which is blocked elsewhere. Evidence for
 * analysis.
 */
struct model_interruption {
	uint32_t process;
	uint32_t handler; /* into handlers */
	uint32_t thread;  /* of the last one, MODEL_NONE unknown */
	long syscall;
	uint64_t args[2]; /* of the last one */
	uint64_t count;
	uint64_t acted; /* of these: the handler called something that may have done the work,
			 * or woken who does it */
	uint64_t first_ns, last_ns; /* when the handler returned */
	uint32_t stack;             /* of the first one */
	uint64_t ended;             /* these ended with EINTR; not in count */
	uint64_t ended_acted;       /* of these, as acted */
	uint64_t ended_ns;          /* the last of them */
	uint64_t limit_ns; /* after which the call ends by itself, the longest seen; MODEL_NO_LIMIT; 0
			      unknown */
	uint64_t sleeps;    /* of the thread, until last_ns; 0 unknown */
	uint64_t waited_ns; /* after a handler, at least: the longest known; 0 none */
};
#define MODEL_NO_LIMIT UINT64_MAX

enum use_role {
	USE_TAKEN,      /* asked for, in `handler` or (MODEL_NONE) outside of handlers */
	USE_INTERRUPTED /* held by code that `handler` came into, and taken by its thread */
};

/*
 * What a lock and handlers have to do with each other; evidence for analysis. The file stands here
 * by itself, as it may be locked by nobody now.
 */
struct model_use {
	uint32_t process;
	uint32_t thread;  /* of the first one, MODEL_NONE unknown */
	uint32_t handler; /* into handlers */
	enum use_role role;
	enum lock_kind kind;
	enum lock_mode mode;
	const char *file; /* "" unknown */
	uint64_t dev, ino;
	uint64_t start, end; /* as in model_lock */
	uint64_t ofd;        /* of the first one, 0 unknown */
	uint64_t exposed; /* USE_TAKEN: signals that had handlers and were not blocked: bit n - 1 */
	bool is_blocking; /* USE_TAKEN: the request waits */
	bool is_waiting;  /* one of them has not been answered */
	uint64_t count;   /* requests in handlers, or deliveries */
	uint64_t dropped; /* USE_INTERRUPTED: so often the handler gave it up */
	uint64_t waited_ns; /* the longest sleep of a request in a handler, while others had it; 0 none */
	pid_t holder;       /* who had it at the last such request; -1 a description, 0 unknown */
	uint64_t first_ns, last_ns;
	uint32_t left_out; /* others of the same place that were not kept */
	uint32_t stack;    /* where it was asked for */
};

/* What the kernel tells of a living process's signals; one for each process that is looked at. */
struct model_signals {
	uint32_t process;
	/* Looked at only where SIGPIPE is left at its default and not blocked: */
	uint32_t accepted;   /* connections to a socket on which it listens itself */
	bool shares_listener; /* with its parent */
	uint64_t caught, ignored; /* without the two that libc keeps for itself */
	uint64_t pending;         /* for whichever thread takes them; those of one: model_thread */
	uint64_t queued, queue_limit; /* of all processes of its user */
};

/* A child that has ended and whose parent has not asked for its status; of a process in signals[]. */
struct model_zombie {
	uint32_t parent;
	pid_t pid;
	const char *name;  /* of its program, as the kernel has it */
	uint64_t ended_ns; /* when it last ran, 0 unknown */
};

#define HELD_MAX 3

/*
 * A call of an async-signal-unsafe function in a handler, or a jump out of it: evidence for
 * analysis. As recorded, or (is_on_stack) seen in the frames of a core's thread.
 */
struct model_call {
	uint32_t process;
	uint32_t thread;
	uint32_t handler; /* into handlers, MODEL_NONE unknown */
	int signo;
	const char *function;
	uint64_t caller;      /* return address of the call, 0 unknown */
	uint32_t jumps_out;   /* of so many handlers, the innermost first: function is longjmp() or
			       * its kin, and is safe itself; 0: it is a call */
	bool is_allocator;    /* function is of the malloc family */
	bool is_lock;         /* function waits for a lock */
	const char *why;      /* what makes it unsafe ("may allocate memory"), NULL unknown */
	bool is_safe_in_libc; /* unsafe by POSIX alone: libc's manual promises more */
	bool is_threaded;     /* the process had several threads */
	bool is_inherited;    /* it was forked in the handler, and has not left it */
	bool is_rescued;      /* the emergency arena did what was asked of the allocator */
	uint64_t count, first_ns, last_ns;
	uint32_t stack;          /* STACK_SLICE */
	uint32_t held[HELD_MAX]; /* into uses: what the interrupted code had locked then */
	uint32_t held_count;
	bool has_more_held; /* than these */
	bool shares_data; /* function works on data that all its callers share, and is no stream */
	bool is_on_stack; /* `thread` is in it; there is no record, and no time */
	bool is_waiting;  /* is_on_stack: it waits there, in futex() */
	const char *handler_function; /* is_on_stack: NULL unknown */
	/* Filled by stack_classify(): */
	bool is_classified;
	bool has_interrupted_allocator; /* an allocator frame stands right outside the signal frame
					 */
	const char *interrupted;        /* innermost interrupted function, NULL unknown */
	uint64_t entered_by; /* libc called `function`: where libc was entered, as `caller`; 0: it
			      * was not, or by the last call of the handler itself */
	const char *entered; /* by which function of it, NULL unknown */
	bool is_loaders;     /* the loader called `function` for somebody's first call or access */
};

enum severity {
	SEVERITY_NOTE,
	SEVERITY_WARNING,
	SEVERITY_ERROR
};

enum finding_kind {
#define FINDING(name, id, severity, title, explanation, advice) FINDING_##name,
#include "collector/model/findings.def"
#undef FINDING
	FINDING_KINDS
};

#define FINDING_PIDS 8
#define FINDING_STACKS 8

struct model_finding {
	enum finding_kind kind;
	enum severity severity; /* as the table says, unless the evidence changes it */
	unsigned gravity;       /* orders those of one kind and severity: larger is worse */
	uint64_t count;
	uint32_t processes[FINDING_PIDS]; /* first ones, of one program; MODEL_NONE ends */
	uint32_t process_count;
	const char *function; /* that was called, NULL: the finding is of no call */
	const char *handler;  /* the signal handler that it is about, NULL none or unknown */
	int signo;            /* its signal, 0 none */
	const char *headline; /* one sentence, no newline */
	const char *evidence; /* how we know, one sentence, NULL none */
	struct {
		uint32_t stack;
		const char *label; /* "called in the handler of SIGALRM", ... */
	} stacks[FINDING_STACKS];
	uint32_t stack_count;
	uint32_t held[HELD_MAX]; /* into uses: what the interrupted code had locked */
	uint32_t held_count;
	uint64_t first_ns, last_ns;
	uint32_t deadlock; /* DEADLOCK_CYCLE: its number, as in model_wait; else 0 */
	uint64_t identity; /* of the requests in it: the same at two looks, it is the same one */
};

/* The core file that the model is about. */
struct model_core {
	const char *path; /* NULL: there is none */
	uint32_t process;
	uint32_t thread; /* that the core names first: it got the signal */
	uint32_t thread_count;
	const char *signal; /* "SIGSEGV (address 0x0)"; NULL: no signal ended the process */
	int signo;          /* 0 none */
};

/* How processes were recorded that did not record themselves. */
struct model_sampling {
	uint64_t interval_ns;  /* 0: none were */
	uint64_t last_ns;      /* nobody looked after that */
	uint64_t last_real_ns; /* the same moment on CLOCK_REALTIME */
	bool has_survivor;     /* one of them had not ended then, and nobody looks at it any more */
	uint64_t gap_ns;       /* the longest time without a look */
	uint32_t late;         /* looks that came late */
	uint32_t processes;    /* recorded so */
	uint32_t unowned;      /* the most locks in one look that nobody could be found for */
	uint32_t refused;      /* processes of which no record could be made */
};

struct model_event {
	uint32_t process;
	pid_t tid;
	uint64_t ns;
	const char *text;
};

/* What could not be seen, or was lost. One line, no newline. */
struct model_note {
	const char *text;
	uint64_t count; /* equal texts are merged */
};

#define MODEL_ARRAY(type)                                                                          \
	struct {                                                                                   \
		type *items;                                                                       \
		uint32_t count;                                                                    \
		uint32_t room;                                                                     \
	}

struct model_string_block;

struct model {
	uint64_t now_ns;      /* CLOCK_MONOTONIC when it was made; last time in a dead session */
	uint64_t now_real_ns; /* the same moment on CLOCK_REALTIME */
	bool is_live;         /* made from the running system */
	struct {
		uint64_t long_hold_ns, long_wait_ns; /* 0: as usual */
	} limits;
	struct model_core core;
	struct model_sampling sampling;
	MODEL_ARRAY(struct model_process) processes;
	MODEL_ARRAY(struct model_thread) threads;
	MODEL_ARRAY(struct model_resource) resources;
	MODEL_ARRAY(struct model_lock) locks;
	MODEL_ARRAY(struct model_wait) waits;
	MODEL_ARRAY(struct model_need) needs;
	MODEL_ARRAY(struct model_way) ways;
	MODEL_ARRAY(struct model_holding) holdings;
	MODEL_ARRAY(struct model_edge) edges;
	MODEL_ARRAY(struct model_lost) losses;
	MODEL_ARRAY(struct model_stack) stacks;
	MODEL_ARRAY(struct model_frame) frames;
	MODEL_ARRAY(struct model_handler) handlers;
	MODEL_ARRAY(struct model_interruption) interruptions;
	MODEL_ARRAY(struct model_use) uses;
	MODEL_ARRAY(struct model_signals) signals;
	MODEL_ARRAY(struct model_zombie) zombies;
	MODEL_ARRAY(struct model_call) calls;
	MODEL_ARRAY(struct model_finding) findings;
	MODEL_ARRAY(struct model_event) events;
	MODEL_ARRAY(struct model_note) notes;
	struct model_string_block *strings;
	bool out_of_memory; /* an add failed: the model is incomplete; said as a note */
};

/*
 * Invariants (model_check):
 * - every index is MODEL_NONE or below the count of its array; locks have a resource
 * - start <= end; LOCK_POLLING has tries >= 1; only LOCK_WAITING and LOCK_POLLING have a blocker
 * - next_copy leads to holds of the same resource that are copies, and ends
 * - a blocker stands on the same resource, is not the lock itself, and chains of blockers end
 * - a thread's process, and a lock's thread's process, agree
 * - needs of a wait lie inside needs[], ways of a need inside ways[]; a wait for a lock names a
 *   request, and only that does; a way has a process, and its thread is that process's
 * - an edge has a process, a resource and a holding, a holding a process and a resource; all that a
 *   holding is under have a smaller index and the same process
 * - frames of a stack lie inside frames[]; FRAME_INLINE has pc 0
 */

struct model *model_new(void);
void model_free(struct model *m);

/* Copies of text, owned by the model. Never NULL: "" when memory is out (out_of_memory is set). */
const char *model_string(struct model *m, const char *text);
const char *model_stringf(struct model *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A zeroed new element's index, with its index fields set to MODEL_NONE; MODEL_NONE if memory is
 * out. */
uint32_t model_add_process(struct model *m);
uint32_t model_add_thread(struct model *m);
uint32_t model_add_resource(struct model *m);
uint32_t model_add_lock(struct model *m);
uint32_t model_add_wait(struct model *m);
uint32_t model_add_need(struct model *m, uint32_t wait); /* of the wait that was added last */
uint32_t model_add_way(struct model *m, uint32_t need);  /* of the need that was added last */
uint32_t model_add_holding(struct model *m);
uint32_t model_add_edge(struct model *m);
uint32_t model_add_lost(struct model *m);
uint32_t model_add_stack(struct model *m);
uint32_t model_add_frame(struct model *m);
uint32_t model_add_handler(struct model *m);
uint32_t model_add_interruption(struct model *m);
uint32_t model_add_use(struct model *m);
uint32_t model_add_signals(struct model *m);
uint32_t model_add_zombie(struct model *m);
uint32_t model_add_call(struct model *m);
uint32_t model_add_finding(struct model *m);
uint32_t model_add_event(struct model *m);

/* A note; an equal text is counted once more instead. */
void model_note(struct model *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The index of what is there already, or MODEL_NONE. start_time 0 matches any. */
uint32_t model_find_process(const struct model *m, pid_t pid, uint64_t start_time);
uint32_t model_find_thread(const struct model *m, uint32_t process, pid_t tid);
uint32_t model_find_resource(const struct model *m, uint64_t dev, uint64_t ino);

/* NULL if all invariants hold, else the first that does not (a static text). For tests. */
const char *model_check(const struct model *m);

#endif
