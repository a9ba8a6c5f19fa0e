/* flock: the whole file, owned by the open file description. */
#include <errno.h>
#include <sys/file.h>

#include "preload/lock.h"
#include "preload/real.h"
#include "preload/shim.h"

/* False for what the kernel refuses as invalid. */
static bool describe(struct lock_call *call, int fd, int operation)
{
	call->kind = SEG_LOCK_FLOCK;
	call->mode = 0;
	call->blocking = false;
	call->fd = fd;
	switch (operation & ~LOCK_NB) {
	case LOCK_SH:
		call->mode = SEG_MODE_READ;
		break;
	case LOCK_EX:
		call->mode = SEG_MODE_WRITE;
		break;
	case LOCK_UN:
		return true;
	default:
		return false;
	}
	call->blocking = !(operation & LOCK_NB);
	return true;
}

SHIM_EXPORT int flock(int fd, int operation)
{
	struct lock_call call;
	int result;

	if (shim_is_off() || !describe(&call, fd, operation) || !lock_begin(&call))
		return real()->flock(fd, operation);
	result = real()->flock(fd, operation);
	lock_end(&call, result < 0 ? errno : 0);
	return result;
}
