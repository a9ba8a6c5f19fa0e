/* listen(): tells which processes are servers. */
#include <stdatomic.h>
#include <sys/socket.h>

#include "preload/real.h"
#include "preload/shim.h"

SHIM_EXPORT int listen(int fd, int backlog)
{
	int result = real()->listen(fd, backlog);
	int saved_errno;

	if (result == 0 && !shim_is_off() && shim_begin(&saved_errno)) {
		atomic_fetch_add((_Atomic uint32_t *)&segment_get()->listens, 1);
		shim_end(saved_errno);
	}
	return result;
}
