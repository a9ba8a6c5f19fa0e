/*
 * What the detectors share: each is one function from the model as it stands to new findings, in
 * a file of its own, and one line in analysis.c. They are pure: no I/O, no clock, no state. Nobody
 * but analysis*.c includes this.
 */
#ifndef LOCKJAM_ANALYSIS_DETECT_H
#define LOCKJAM_ANALYSIS_DETECT_H

#include "collector/model/model.h"

/* The detectors. Memory that runs out is told by model.out_of_memory. */
void detect_calls(struct model *m);    /* DEADLOCK_HEAP, HEAP_REENTERED, UNSAFE_CALL */
void detect_jumps(struct model *m);    /* JUMP_OUT */
void detect_lock_uses(struct model *m); /* LOCK_IN_HANDLER */
void detect_errno(struct model *m);    /* ERRNO_CLOBBERED */
void detect_cycles(struct model *m);   /* DEADLOCK_CYCLE */
void detect_restarts(struct model *m); /* RESTARTED_WAIT */
void detect_flag_races(struct model *m); /* FLAG_RACE */
void detect_unseen(struct model *m);     /* FLAG_RACE, inferred */
void detect_blocked(struct model *m);    /* SIGNAL_BLOCKED */
void detect_resets(struct model *m);   /* RESET_HANDLER */
void detect_flags(struct model *m);    /* HANDLER_FLAGS */
void detect_children(struct model *m); /* UNREAPED_CHILDREN */
void detect_pipes(struct model *m);    /* SIGPIPE_DEFAULT */
void detect_exec(struct model *m);     /* LOST_BY_EXEC */
void detect_orders(struct model *m);   /* LOCK_ORDER, UPGRADE_DEADLOCK */
void detect_losses(struct model *m);   /* POSIX_LOCK_DROPPED, LOCK_NOT_INHERITED, UNLOCK_NOT_HELD */
void detect_holds(struct model *m);    /* BLOCKED_WHILE_HOLDING, DEAD_OWNER and their kin */

/* A new finding with the severity of its kind; NULL if memory is out. The pointer is valid until
 * the next one is added. */
struct model_finding *analysis_add(struct model *m, enum finding_kind kind);
/* Adds the process unless it is there. process_count also counts those beyond FINDING_PIDS. */
void analysis_add_process(struct model_finding *f, uint32_t process);
/* The handler that the finding is about, by its index; MODEL_NONE: unknown. */
void analysis_set_handler(const struct model *m, struct model_finding *f, uint32_t handler,
			  int signo);
/* Adds a stack unless it is MODEL_NONE, there already, or there is no room. */
void analysis_add_stack(struct model_finding *f, uint32_t stack, const char *label);

/*
 * Equal processes have equal findings: those of one program (its file), handler and function are
 * one. Handlers are compared by name and file, or by module and offset, never by address. < 0, 0, >
 * 0; a handler may be MODEL_NONE.
 */
int analysis_compare_programs(const struct model *m, uint32_t a, uint32_t b);
int analysis_compare_handlers(const struct model *m, uint32_t a, uint32_t b);
/* The same, with the signal that they handle; neither is MODEL_NONE. */
int analysis_compare_dispositions(const struct model *m, uint32_t a, uint32_t b);
/*
 * Sorts items[0..count) (indices into one of the model's arrays) by `compare`, those of one key by
 * index, and hands each run of one key to `report`.
 */
typedef int analysis_compare(const struct model *m, uint32_t a, uint32_t b);
typedef void analysis_report(struct model *m, const uint32_t *items, uint32_t count);
void analysis_group(struct model *m, uint32_t *items, uint32_t count, analysis_compare *compare,
		    analysis_report *report);
/* The same process, maybe another image of it. */
bool analysis_is_same_process(const struct model *m, uint32_t a, uint32_t b);

/*
 * Did libc make this call itself, in a call that is safe, or is told as a finding of its own? Harm
 * that it did (the heap was re-entered) is told all the same.
 */
bool analysis_is_on_behalf(const struct model *m, uint32_t call);

/* Inside libc a function may go by another name: "write" for __GI___write. */
const char *analysis_plain_name(const char *name);
/* POSIX lets a handler call it; libc's inner names of it are known, too. NULL is not safe. */
bool analysis_is_safe_function(const char *name);
/* It stands in the shim's table of unsafe functions: not only what POSIX does not promise. */
bool analysis_is_unsafe_function(const char *name);

/* --- analysis_interrupted.c: what a handler came into, by the frames outside of it -------------
 */

enum interrupted {
	INTERRUPTED_UNKNOWN, /* or code of the program itself */
	INTERRUPTED_SAFE,    /* a function of libc's that is on the list of safe ones */
	INTERRUPTED_UNSAFE,  /* one that is not */
	INTERRUPTED_RAISE,   /* by which the process sent itself the signal */
	INTERRUPTED_LET_IN,  /* which lets in the signal that is blocked elsewhere: sigsuspend() */
};

/* *function: of libc, NULL for INTERRUPTED_UNKNOWN. The call's stack must have been resolved. */
enum interrupted analysis_interrupted(const struct model *m, const struct model_call *c,
				      const char **function);
/*
 * Did one of the innermost `handlers` handlers on the call's stack come into a function that is known to
 * be unsafe? The outermost one that the innermost such handler came into; NULL: none did.
 */
const char *analysis_interrupted_unsafe(const struct model *m, const struct model_call *c,
					uint32_t handlers);
/* Is the call of the very function that was interrupted, with data that both share for certain? */
bool analysis_is_reentered(const struct model_call *c, const char *interrupted);
/* Nothing was interrupted that could be half done. */
bool analysis_is_synchronous(const struct model *m, const struct model_call *c);
/* "; the first one interrupted main()", "" unknown. Owned by the model. */
const char *analysis_interrupted_text(struct model *m, const struct model_call *c);

/* --- analysis_wait.c: calls that handlers came into ---------------------------------------------- */

/* NULL: it is none in which a thread waits. */
const struct blocking_call *analysis_blocking_call(const struct model_interruption *x);
/* Of a signal that asks a program to do something, soon. */
bool analysis_is_request(int signo);
/* "accept() on descriptor 3"; of a blocking call only. Owned by the model. */
const char *analysis_call_text(struct model *m, const struct model_interruption *x);
/* Whether the thread sits in that call now, after the handler; only of the living it is known. */
bool analysis_is_there_now(const struct model *m, const struct model_interruption *x);

/* It is, and it has slept once since: it is the same wait. */
bool analysis_has_waited_since(const struct model *m, const struct model_interruption *x);

/* --- analysis_use.c: locks that handlers came into ------------------------------------------------ */

/* "the WRITE lock (POSIX, bytes 0-9) of /x"; the file's path, or its numbers. */
const char *analysis_use_text(struct model *m, uint32_t use);
const char *analysis_use_file(struct model *m, uint32_t use);
/* "; the interrupted code held the WRITE lock (flock) of /x", "" where it held none. */
const char *analysis_held_text(struct model *m, const struct model_call *call);
/* The finding's locks are those of the first of its calls that has some; with where they were taken. */
void analysis_add_held(const struct model *m, struct model_finding *f,
		       const struct model_call *call);

/* Texts for headlines, owned by the model, never NULL. */
const char *analysis_process_text(struct model *m, uint32_t process); /* "/bin/x (pid 12)" */
/* "/bin/x (pid 12) and 7 more processes": of a finding that has all its processes. */
const char *analysis_processes_text(struct model *m, const struct model_finding *f);
const char *analysis_signal_text(struct model *m, int signo);     /* "SIGALRM", "SIGRTMIN+2" */
const char *analysis_errno_text(struct model *m, int number);     /* "EINTR" */
const char *analysis_duration_text(struct model *m, uint64_t ns); /* "4.2s", "250ms" */
/* "the handler idle_handler() of SIGALRM", "the handler of SIGALRM"; handler may be MODEL_NONE. */
const char *analysis_handler_text(struct model *m, uint32_t handler, int signo);
/* "main() at x.c:12", of the program's frame that called libc; NULL: no frame of it is known. */
const char *analysis_site_text(struct model *m, uint32_t stack);

#endif
