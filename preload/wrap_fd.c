/*
 * What makes and closes descriptors. A close drops the POSIX locks of its file, whichever
 * descriptor it is, and the flock and OFD locks of the last descriptor of their description.
 * Usually there are none: then all this costs is a test.
 */
#include <errno.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <unistd.h>

#include "preload/descriptor.h"
#include "preload/lock.h"
#include "preload/lost.h"
#include "preload/real.h"
#include "preload/shim.h"
#include "preload/sys.h"
#include "preload/wrap.h"

/* errno and the order of things are the program's: what is dropped is recorded first. */
static void closing(int fd)
{
	if (shim_unlikely(lock_close_matters(fd)))
		lock_close(fd);
}

/*
 * POSIX locks go with any descriptor of their file, also with one that was never noted. Above
 * FEW_DESCRIPTORS only those that were noted are looked at: who closes all up to the limit must not wait.
 */
#define FEW_DESCRIPTORS 1024

static void closing_range(unsigned int first, unsigned int last)
{
	unsigned int limit = (unsigned int)descriptor_limit();

	if (!limit)
		return;
	if (lockset_has_posix() && limit < FEW_DESCRIPTORS)
		limit = FEW_DESCRIPTORS;
	if (last >= limit)
		last = limit - 1;
	for (unsigned int fd = first; fd <= last; fd++)
		closing((int)fd);
}

SHIM_EXPORT int close(int fd)
{
	closing(fd);
	return real()->close(fd);
}

SHIM_EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (!real()->close_range) {
		errno = ENOSYS;
		return -1;
	}
	if (first <= last && !(flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) &&
	    !(flags & CLOSE_RANGE_CLOEXEC))
		closing_range(first, last);
	return real()->close_range(first, last, flags);
}

SHIM_EXPORT void closefrom(int first)
{
	closing_range(first > 0 ? (unsigned int)first : 0, ~0U);
	if (real()->closefrom)
		real()->closefrom(first);
}

int wrap_fclose(FILE *stream)
{
	if (stream && shim_unlikely(lockset_has_posix() || lockset_has_ofd() || lost_is_open()))
		closing(fileno_unlocked(stream));
	return real()->fclose(stream);
}

SHIM_EXPORT int dup(int fd)
{
	int result = real()->dup(fd);

	if (result >= 0 && !shim_is_off())
		descriptor_duplicated(fd, result);
	return result;
}

/* dup2 closes `to` unless it fails: a `from` that is not open leaves `to` alone. */
static bool replaces(int from, int to)
{
	return from != to && lock_close_matters(to) && sys2(SYS_fcntl, from, F_GETFD) >= 0;
}

SHIM_EXPORT int dup2(int from, int to)
{
	int result;

	if (shim_unlikely(replaces(from, to)))
		lock_close(to);
	result = real()->dup2(from, to);
	if (result >= 0 && !shim_is_off())
		descriptor_duplicated(from, to);
	return result;
}

SHIM_EXPORT int dup3(int from, int to, int flags)
{
	int result;

	if (shim_unlikely((flags & ~O_CLOEXEC) == 0 && replaces(from, to)))
		lock_close(to);
	result = real()->dup3(from, to, flags);
	if (result >= 0 && !shim_is_off())
		descriptor_duplicated(from, to);
	return result;
}
