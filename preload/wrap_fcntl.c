/*
 * fcntl and lockf. Every command goes through with its argument as it came; looked at are only
 * those that lock and those that make descriptors. The program's struct flock is not touched
 * before the kernel has taken it or its bytes are known to be readable: a bad pointer gives EFAULT
 * here as without the shim.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/descriptor.h"
#include "preload/lock.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"

typedef int fcntl_function(int fd, int command, ...);

/* On 64-bit machines struct flock and struct flock64 are one. */
static_assert(sizeof(struct flock) == sizeof(struct flock64), "one ABI");

/* --- what is asked for ------------------------------------------------------------------------- */

static bool is_blocking(int command)
{
	return command == F_SETLKW || command == F_OFD_SETLKW;
}

/* What lies above us on the part of the stack that is known is there; anything else is asked for. */
static bool is_readable(const struct flock *lock)
{
	uintptr_t first = (uintptr_t)lock, last = first + sizeof(*lock) - 1;
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);

	if (first >= frame && frame >= shim_self.stack_low && last < shim_self.stack_high)
		return true;
	return sys_is_readable(first) && (first >> 12 == last >> 12 || sys_is_readable(last));
}

/* The offset that l_whence counts from, as the kernel takes it at this moment. */
static bool base_of(int fd, int whence, int64_t *base)
{
	struct stat st;

	switch (whence) {
	case SEEK_SET:
		*base = 0;
		return true;
	case SEEK_CUR:
		*base = sys3(SYS_lseek, fd, 0, SEEK_CUR);
		return *base >= 0;
	case SEEK_END:
		if (sys_fstat(fd, &st) < 0)
			return false;
		*base = st.st_size;
		return true;
	}
	return false;
}

static bool describe_range(struct lock_call *call, int whence, int64_t start, int64_t length)
{
	int64_t base;

	return base_of(call->fd, whence, &base) &&
	       range_resolve(base, start, length, &call->range) == 0;
}

/* False for what the kernel will refuse as invalid: then there is nothing to record. */
static bool describe(struct lock_call *call, int fd, int command, const struct flock *lock)
{
	call->fd = fd;
	switch (lock->l_type) {
	case F_RDLCK:
		call->mode = SEG_MODE_READ;
		break;
	case F_WRLCK:
		call->mode = SEG_MODE_WRITE;
		break;
	case F_UNLCK:
		call->mode = 0;
		break;
	default:
		return false;
	}
	call->blocking = is_blocking(command) && call->mode;
	call->kind = command == F_SETLK || command == F_SETLKW ? SEG_LOCK_POSIX : SEG_LOCK_OFD;
	return describe_range(call, lock->l_whence, lock->l_start, lock->l_len);
}

static void cancelled(void *call)
{
	lock_cancelled(call);
}

/* --- the call ---------------------------------------------------------------------------------- */

/* fcntl is a cancellation point; the cleanup takes the wait off the record. */
static int locking_call(fcntl_function *function, struct lock_call *call, int command, void *lock)
{
	int result;

	if (!call->blocking)
		return function(call->fd, command, lock);
	pthread_cleanup_push(cancelled, call);
	result = function(call->fd, command, lock);
	pthread_cleanup_pop(0);
	return result;
}

/*
 * A request that does not wait is looked at when the kernel has answered: it then has read the
 * struct itself.
 */
static int try_lock(fcntl_function *function, int fd, int command, struct flock *lock)
{
	struct lock_call call;
	int result = function(fd, command, lock);
	int error = result < 0 ? errno : 0;

	if (error != 0 && error != EAGAIN && error != EACCES)
		return result;
	if (describe(&call, fd, command, lock) && lock_begin(&call))
		lock_end(&call, error);
	errno = error ? error : errno;
	return result;
}

static int set_lock(fcntl_function *function, int fd, int command, struct flock *lock)
{
	struct lock_call call;
	int saved_errno = errno, result;

	if (shim_is_off() || !is_readable(lock))
		return function(fd, command, lock);
	if (!is_blocking(command) && lock->l_type != F_UNLCK)
		return try_lock(function, fd, command, lock);
	if (!describe(&call, fd, command, lock) || !lock_begin(&call)) {
		errno = saved_errno;
		return function(fd, command, lock);
	}
	result = locking_call(function, &call, command, lock);
	lock_end(&call, result < 0 ? errno : 0);
	return result;
}

static int duplicate(fcntl_function *function, int fd, int command, void *argument)
{
	int result = function(fd, command, argument);

	if (result >= 0 && !shim_is_off())
		descriptor_duplicated(fd, result);
	return result;
}

static int any_fcntl(fcntl_function *function, int fd, int command, void *argument)
{
	switch (command) {
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return set_lock(function, fd, command, argument);
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return duplicate(function, fd, command, argument);
	}
	return function(fd, command, argument);
}

/* The argument, if there is one, came in a register whatever its type: it leaves in the same. */
SHIM_EXPORT int fcntl(int fd, int command, ...)
{
	void *argument;
	va_list list;

	va_start(list, command);
	argument = va_arg(list, void *);
	va_end(list);
	return any_fcntl(real()->fcntl, fd, command, argument);
}

SHIM_EXPORT int fcntl64(int fd, int command, ...)
{
	void *argument;
	va_list list;

	va_start(list, command);
	argument = va_arg(list, void *);
	va_end(list);
	return any_fcntl(real()->fcntl64, fd, command, argument);
}

/* --- lockf: a POSIX write lock on bytes that start at the offset -------------------------------- */

typedef int lockf_function(int fd, int command, off_t length);

static int lockf_call(lockf_function *function, struct lock_call *call, int command, off_t length)
{
	int result;

	if (!call->blocking)
		return function(call->fd, command, length);
	pthread_cleanup_push(cancelled, call);
	result = function(call->fd, command, length);
	pthread_cleanup_pop(0);
	return result;
}

static int any_lockf(lockf_function *function, int fd, int command, off_t length)
{
	struct lock_call call;
	int result;

	call.kind = SEG_LOCK_POSIX;
	call.mode = command == F_ULOCK ? 0 : SEG_MODE_WRITE;
	call.blocking = command == F_LOCK;
	call.fd = fd;
	if (shim_is_off() || (command != F_LOCK && command != F_TLOCK && command != F_ULOCK) ||
	    !describe_range(&call, SEEK_CUR, 0, length) || !lock_begin(&call))
		return function(fd, command, length);
	result = lockf_call(function, &call, command, length);
	lock_end(&call, result < 0 ? errno : 0);
	return result;
}

SHIM_EXPORT int lockf(int fd, int command, off_t length)
{
	return any_lockf(real()->lockf, fd, command, length);
}

SHIM_EXPORT int lockf64(int fd, int command, off64_t length)
{
	return any_lockf(real()->lockf64, fd, command, length);
}
