/*
 * See thread_lock.h. Layouts: glibc 2.25 to 2.41, 64 bit, sysdeps/nptl/bits/struct_mutex.h and
 * struct_rwlock.h (part of the ABI, because of static initialisers); nptl/pthreadP.h for the bits
 * of
 * __kind; sysdeps/x86_64/nptl/pthread_spin_lock.S.
 */
#include "config.h"

#include "collector/proc/thread_lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define MUTEX_LOCK 0
#define MUTEX_OWNER 8
#define MUTEX_KIND 16
#define KIND_ROBUST 0x10u /* and PI: the word of the lock is the kernel's, and names the owner */
#define KIND_PI 0x20u
#define KIND_SHARED 0x80u

#define RWLOCK_READERS 0
#define RWLOCK_WRITER 24
#define RWLOCK_SHARED 28
#define READERS_WRITER 2u
#define READERS_SHIFT 3

#ifdef __x86_64__
#define SPIN_FREE 1
#else
#define SPIN_FREE 0
#endif

static uint32_t word(const void *data, size_t offset)
{
	uint32_t value;

	memcpy(&value, (const char *)data + offset, sizeof(value));
	return value;
}

static void parse_mutex(const void *data, struct thread_lock *lock)
{
	uint32_t value = word(data, MUTEX_LOCK), kind = word(data, MUTEX_KIND);

	lock->is_taken = value != 0;
	lock->is_shared = kind & KIND_SHARED;
	if (!lock->is_taken)
		return;
	if (kind & (KIND_ROBUST | KIND_PI)) {
		lock->owner = value & FUTEX_TID_MASK;
		lock->has_dead_owner = value & FUTEX_OWNER_DIED;
	} else {
		lock->owner = word(data, MUTEX_OWNER);
	}
}

static void parse_rwlock(const void *data, struct thread_lock *lock)
{
	uint32_t readers = word(data, RWLOCK_READERS);

	lock->readers = readers >> READERS_SHIFT;
	lock->owner = word(data, RWLOCK_WRITER);
	lock->is_taken = lock->readers || lock->owner || readers & READERS_WRITER;
	lock->is_shared = word(data, RWLOCK_SHARED);
}

void thread_lock_parse(enum lock_kind kind, const void *data, struct thread_lock *lock)
{
	*lock = (struct thread_lock){0};
	if (kind == LOCK_MUTEX)
		parse_mutex(data, lock);
	else if (kind == LOCK_RWLOCK)
		parse_rwlock(data, lock);
	else
		lock->is_taken = word(data, 0) != SPIN_FREE;
}

int thread_lock_read(const struct proc *proc, pid_t pid, enum lock_kind kind, uint64_t address,
		     struct thread_lock *lock)
{
	static const size_t sizes[LOCK_KINDS] = {
		[LOCK_MUTEX] = 40, [LOCK_RWLOCK] = THREAD_LOCK_BYTES, [LOCK_SPIN] = 4};
	char data[THREAD_LOCK_BYTES] = {0};
	ssize_t n = proc_read_memory(proc, pid, address, data, sizes[kind]);

	if (n < 0)
		return n;
	if ((size_t)n < sizes[kind])
		return -EFAULT;
	thread_lock_parse(kind, data, lock);
	return 0;
}

/* One line of maps: "start-end perms offset dev inode path". */
static bool is_in_line(const char *line, uint64_t address, struct thread_lock_place *place)
{
	unsigned long start, end, offset, ino;
	unsigned int major, minor;
	char mode[8];
	int at = 0;

	if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &start, &end, mode, &offset, &major,
		   &minor, &ino, &at) < 7 ||
	    address < start || address >= end)
		return false;
	snprintf(place->path, sizeof(place->path), "%s", line + at);
	place->dev = makedev(major, minor);
	place->ino = mode[3] == 's' ? ino : 0;
	place->offset = address - start + offset;
	return true;
}

int thread_lock_place(const struct proc *proc, pid_t pid, uint64_t address,
		      struct thread_lock_place *place)
{
	char *text, *next;
	size_t length;
	int r = proc_read(proc, &text, &length, "%d/maps", (int)pid);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (char *line = text; r == -ENOENT && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (is_in_line(line, address, place))
			r = place->ino ? 0 : -ENXIO;
	}
	free(text);
	return r;
}
