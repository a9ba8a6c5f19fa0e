/* The life of a process: see process.h. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "preload/carry.h"
#include "preload/inherit.h"
#include "preload/latch_signal.h"
#include "preload/lockset.h"
#include "preload/lost.h"
#include "preload/module.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"

static_assert(offsetof(struct shim_self, in_vfork) == SHIM_SELF_IN_VFORK, "arch-*.S uses it");
static_assert(offsetof(struct shim_self, frame) == SHIM_SELF_FRAME, "thunks use it");

static struct {
	bool early_done;
	bool is_exiting;
	int exit_status;
} process;

void process_early_init(void)
{
	if (process.early_done)
		return;
	process.early_done = true;
	segment_file_find_directory();
}

/* --- start -------------------------------------------------------------------------------------- */

static void exiting(int status, void *unused)
{
	(void)unused;
	process_exited(status);
}

/*
 * Registered first, so called last at exit, and last before and first after a fork. Neither
 * allocates: libc has room for the first few dozen.
 */
static void register_hooks(void)
{
	on_exit(exiting, NULL);
	pthread_atfork(process_before_fork, process_after_fork_parent, process_after_fork_child);
}

/*
 * A late shim's on_exit handler is called early, and what the program does after it is still to be seen: it
 * only keeps the status for the destructor, which comes after all handlers.
 */
static void keep_status(int status, void *unused)
{
	(void)unused;
	process.exit_status = status;
	process.is_exiting = true;
}

__attribute__((destructor)) static void process_done(void)
{
	if (process.is_exiting)
		process_exited(process.exit_status);
}

void process_init_late(void)
{
	process.early_done = true;
	on_exit(keep_status, NULL);
	pthread_atfork(process_before_fork, process_after_fork_parent, process_after_fork_child);
}

/* The kernel's struct sigaction, of processors that have sa_restorer. */
struct kernel_action {
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

/* execve() keeps what is blocked and what is ignored. */
static void note_signals(struct seg_header *header)
{
	struct kernel_action action;

	sys4(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &header->blocked_at_start, sizeof(uint64_t));
	for (int signo = 1; signo < 32; signo++)
		if (sys4(SYS_rt_sigaction, signo, NULL, &action, sizeof(action.mask)) == 0 &&
		    action.handler == (uintptr_t)SIG_IGN)
			header->ignored_at_start |= UINT64_C(1) << (signo - 1);
	header->knows_start = 1;
}

void process_init(void)
{
	int saved_errno;

	process_early_init();
	register_hooks();
	if (!shim_begin(&saved_errno))
		return;
	note_signals(segment_get());
	carry_over();
	if (!real()->_dl_find_object)
		segment_limit(SEG_LIMIT_NO_UNWINDER);
	segment_event(SEG_EV_START, 0, 0, segment_get()->image, 0);
	module_init();
	shim_end(saved_errno);
}

void process_segment_created(struct seg_header *fresh, struct seg_header *parent)
{
	lockset_reset();
	if (!parent)
		return;
	module_inherit(fresh, parent);
	fresh->blocked_at_start = parent->blocked_at_start;
	fresh->ignored_at_start = parent->ignored_at_start;
	fresh->caught_before = parent->caught_before;
	fresh->knows_start = parent->knows_start;
	/* In a chroot without /proc; a child that was not exec'ed is the same program. */
	if (!fresh->exe[0]) {
		memcpy(fresh->exe, parent->exe, sizeof(fresh->exe));
		memcpy(fresh->cmdline, parent->cmdline, sizeof(fresh->cmdline));
	}
}

/* --- fork --------------------------------------------------------------------------------------- */

void process_before_fork(void)
{
	if (shim_self.in_vfork)
		return;
	inherit_prepare();
	lost_before_fork();
}

void process_after_fork_parent(void)
{
	inherit_parent();
}

/*
 * Code of ours that a signal interrupted, and whose handler forked, will go on in the child: it
 * must find a segment that is the child's.
 */
void process_after_fork_child(void)
{
	int saved_errno;

	segment_forget();
	latch_signal_forked();
	inherit_child();
	if (shim_self.depth && shim_begin(&saved_errno))
		shim_end(saved_errno);
}

int process_vfork_failed(int negative_errno)
{
	errno = -negative_errno;
	return -1;
}

/* --- the end of an image ------------------------------------------------------------------------ */

static void set_state(struct seg_header *header, enum seg_state state)
{
	header->ended_ns = state == SEG_RUNNING ? 0 : shim_now_ns();
	atomic_store_explicit((_Atomic uint32_t *)&header->state, (uint32_t)state,
			      memory_order_release);
}

void process_exec_begin(void)
{
	int saved_errno;

	/* A child that has no segment yet leaves none behind for this. */
	if (!segment_get() || !shim_begin(&saved_errno))
		return;
	segment_event(SEG_EV_EXEC, 0, 0, 0, 0);
	set_state(segment_get(), SEG_EXECED);
	shim_end(saved_errno);
}

int process_exec_failed(int result)
{
	struct seg_header *header = shim_self.in_vfork ? NULL : segment_get();

	if (header && header->state == SEG_EXECED)
		set_state(header, SEG_RUNNING);
	return result;
}

/* Nobody else writes any more; shim_begin() would refuse. */
void process_detached(uint64_t calls)
{
	if (!segment_get())
		return;
	shim_self.tid = sys_gettid();
	segment_event(SEG_EV_DETACH, 0, 0, calls, 0);
	set_state(segment_get(), SEG_DETACHED);
}

static void remove_file(const struct seg_header *header)
{
	char path[SEGMENT_PATH_MAX];

	if (segment_file_path(path, header->start_time, header->image))
		sys_unlink(path);
}

void process_discarded(void)
{
	set_state(segment_get(), SEG_DETACHED);
	remove_file(segment_get());
}

void process_exited(int status)
{
	struct seg_header *header;
	int saved_errno;

	if (!segment_get() || !shim_begin(&saved_errno))
		return;
	header = segment_get();
	segment_event(SEG_EV_EXIT, 0, 0, (uint64_t)(int64_t)status, 0);
	header->exit_status = status;
	set_state(header, SEG_EXITED);
	if (carry_is_empty(header) && !header->image)
		remove_file(header);
	shim_end(saved_errno);
}
