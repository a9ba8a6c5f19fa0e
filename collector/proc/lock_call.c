/* See lock_call.h. */
#include "config.h"

#include "collector/proc/lock_call.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
/* arch/x86/entry/syscalls/syscall_32.tbl; F_SETLKW64 of the i386 fcntl.h. */
#define COMPAT_FCNTL 55
#define COMPAT_FCNTL64 221
#define COMPAT_FLOCK 143
#define COMPAT_SETLKW64 14
#endif

static bool decode_fcntl(const struct proc_syscall *sc, struct lock_call *call)
{
	unsigned command = sc->args[1];

	call->request = sc->args[2];
	call->is_wide = command != F_SETLKW;
	call->kind = command == F_OFD_SETLKW ? LOCK_OFD : LOCK_POSIX;
#if defined(__x86_64__)
	if (call->is_compat && command == COMPAT_SETLKW64)
		return true;
#endif
	return command == F_SETLKW || command == F_OFD_SETLKW;
}

static bool decode_flock(const struct proc_syscall *sc, struct lock_call *call)
{
	call->kind = LOCK_FLOCK;
	call->mode = sc->args[1] & LOCK_EX ? MODE_WRITE : MODE_READ;
	call->has_range = true;
	call->start = 0;
	call->end = MODEL_TO_EOF;
	return true;
}

bool lock_call_decode(const struct proc_syscall *sc, struct lock_call *call)
{
	struct lock_call r = {.fd = (int)sc->args[0]};
	bool is_lock = false;

	if (sc->is_running || sc->number < 0)
		return false;
#if defined(__x86_64__)
	/* Only a 32-bit program has its stack down there; its calls have other numbers. */
	r.is_compat = sc->sp && sc->sp <= UINT32_MAX;
	if (r.is_compat && (sc->number == COMPAT_FCNTL || sc->number == COMPAT_FCNTL64))
		is_lock = decode_fcntl(sc, &r);
	else if (r.is_compat && sc->number == COMPAT_FLOCK)
		is_lock = decode_flock(sc, &r);
#endif
	if (!r.is_compat && sc->number == SYS_fcntl)
		is_lock = decode_fcntl(sc, &r);
	else if (!r.is_compat && sc->number == SYS_flock)
		is_lock = decode_flock(sc, &r);
	if (is_lock)
		*call = r;
	return is_lock;
}

/* The kernel's struct flock of 32-bit programs, which has no padding. */
struct narrow_flock {
	int16_t type, whence;
	int32_t start, length;
} __attribute__((packed));
struct wide_flock {
	int16_t type, whence;
	int64_t start, length;
} __attribute__((packed));

static bool read_request(const struct proc *proc, pid_t pid, const struct lock_call *call,
			 struct flock *lock)
{
	struct narrow_flock narrow;
	struct wide_flock wide;

	if (!call->is_compat)
		return proc_read_memory(proc, pid, call->request, lock, sizeof(*lock)) ==
		       sizeof(*lock);
	if (call->is_wide) {
		if (proc_read_memory(proc, pid, call->request, &wide, sizeof(wide)) != sizeof(wide))
			return false;
		*lock = (struct flock){wide.type, wide.whence, wide.start, wide.length, 0};
		return true;
	}
	if (proc_read_memory(proc, pid, call->request, &narrow, sizeof(narrow)) != sizeof(narrow))
		return false;
	*lock = (struct flock){narrow.type, narrow.whence, narrow.start, narrow.length, 0};
	return true;
}

void lock_call_read_range(const struct proc *proc, pid_t pid, struct lock_call *call)
{
	struct flock lock;
	int64_t last;

	/* Positions that are relative to the file's end cannot be known without asking for it. */
	if (call->has_range || !read_request(proc, pid, call, &lock) || lock.l_whence != SEEK_SET ||
	    (lock.l_type != F_RDLCK && lock.l_type != F_WRLCK) || lock.l_start < 0 ||
	    __builtin_add_overflow(lock.l_start, lock.l_len, &last) || last < 0)
		return;
	call->has_range = true;
	call->mode = lock.l_type == F_WRLCK ? MODE_WRITE : MODE_READ;
	call->start = lock.l_len < 0 ? last : lock.l_start;
	call->end = lock.l_len == 0  ? MODEL_TO_EOF
		    : lock.l_len < 0 ? (uint64_t)lock.l_start - 1
				     : (uint64_t)last - 1;
}
