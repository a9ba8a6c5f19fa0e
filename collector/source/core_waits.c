/*
 * What the threads of a core waited for, by the system call that they were in: a core has no list
 * of file locks, but the request of who waited for one is in its registers and its memory. Which
 * file it was, it does not tell: the descriptors are the kernel's.
 */
#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "collector/core/core.h"
#include "collector/source/source.h"

/* The system call that the thread was blocked in, -1 none: its number may also be left of one that
 * had returned. */
static long blocked_in(const struct core *core, const struct arch_prstatus *status)
{
	struct arch_stopped stopped = {.original = status->syscall};
	uint32_t code = 0;

	memcpy(stopped.regs, status->regs, sizeof(stopped.regs));
	if (ARCH_RESTART_NEEDS_CODE)
		core_read(core, stopped.regs[ARCH_PC], &code, sizeof(code));
	arch_find_interrupted(&stopped, code);
	return stopped.syscall;
}

static bool is_range(const struct flock *request)
{
	return request->l_whence == SEEK_SET && request->l_start >= 0 && request->l_len >= 0;
}

/* False if it cannot be said what it asked for: its range may be relative to the end of the file.
 */
static bool read_fcntl(const struct core *core, const struct arch_prstatus *status,
		       struct model_lock *l)
{
	struct flock request;

	if (!core_read(core, status->args[2], &request, sizeof(request)) || !is_range(&request))
		return false;
	l->kind = (int)status->args[1] == F_SETLKW ? LOCK_POSIX : LOCK_OFD;
	l->mode = request.l_type == F_WRLCK ? MODE_WRITE : MODE_READ;
	l->start = (uint64_t)request.l_start;
	l->end = request.l_len ? l->start + (uint64_t)request.l_len - 1 : MODEL_TO_EOF;
	return true;
}

static bool read_flock(const struct arch_prstatus *status, struct model_lock *l)
{
	l->kind = LOCK_FLOCK;
	l->mode = (status->args[1] & LOCK_EX) ? MODE_WRITE : MODE_READ;
	return status->args[1] & (LOCK_EX | LOCK_SH);
}

static bool waits_for_lock(long call, const struct arch_prstatus *status)
{
	int command = (int)status->args[1];

	return call == SYS_flock ||
	       (call == SYS_fcntl && (command == F_SETLKW || command == F_OFD_SETLKW));
}

/* Threads may wait for one descriptor's file: that is one resource. */
static uint32_t resource_of(struct model *m, uint32_t process, int fd)
{
	for (uint32_t i = 0; i < m->locks.count; i++)
		if (m->locks.items[i].process == process && m->locks.items[i].fd == fd)
			return m->locks.items[i].resource;
	return model_add_resource(m);
}

static void note_unread(struct gather *g, const struct arch_prstatus *status)
{
	model_note(
		g->m,
		"thread %d waited for a lock of the file of its descriptor %d; which one could not "
		"be read",
		(int)status->tid, (int)status->args[0]);
}

void core_waits_add(struct gather *g, uint32_t process, uint32_t thread,
		    const struct arch_prstatus *status)
{
	long call = blocked_in(g->core, status);
	struct model_lock wait = {.end = MODEL_TO_EOF};

	if (!waits_for_lock(call, status))
		return;
	if (call == SYS_fcntl ? !read_fcntl(g->core, status, &wait) : !read_flock(status, &wait)) {
		note_unread(g, status);
		return;
	}
	uint32_t resource = resource_of(g->m, process, (int)status->args[0]);
	uint32_t lock = resource == MODEL_NONE ? MODEL_NONE : model_add_lock(g->m);

	if (lock == MODEL_NONE)
		return;
	struct model_lock *l = &g->m->locks.items[lock];

	l->state = LOCK_WAITING;
	l->evidence = EVIDENCE_INFERRED;
	l->kind = wait.kind;
	l->mode = wait.mode;
	l->start = wait.start;
	l->end = wait.end;
	l->resource = resource;
	l->process = process;
	l->thread = thread;
	l->fd = (int)status->args[0];
}
